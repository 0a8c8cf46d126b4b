"""An answer that does not fit what was asked is refused, and the approval stays open for a better one."""

import pytest

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.approvals.answers import check_answer, check_resolution
from quarterdeck.runtime.store import approvals
from quarterdeck.runtime.testing.harness import TENANT, Harness

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number"}},
    "required": ["amount"],
    "additionalProperties": False,
}


class Known:
    def __init__(self, schema):
        self.schema, self.asked = schema, []

    async def schema_of(self, tenant, server, tool):
        self.asked.append((tenant, server, tool))
        return self.schema


class Denied:
    """A tool that policy wants approved."""

    async def perform(self, facts, definition, state, effect):
        from quarterdeck.runtime.effects.outcomes import failed

        return [failed(effect, "needs_approval", "policy", "ask first", approval_policy="p")]


class Lost:
    """A tool of which nobody knows what it did."""

    async def perform(self, facts, definition, state, effect):
        from quarterdeck.runtime.effects.outcomes import failed

        return [failed(effect, "uncertain", "uncertain", "it died", policy="ask")]


async def asked(h, node):
    await h.wait(await h.start("Workflow", "w"), "waiting")
    (approval,) = await h.approvals()
    return await h.database.read(approvals.get_approval, TENANT.id, approval.approval_id)


def harness(tmp_path, node, performer=None):
    performers = {"tool": performer} if performer else {}
    return Harness(tmp_path, specs={"Workflow/w": {"nodes": [node]}}, performers=performers)


BOOK = {"name": "a", "tool": {"server": "ledger", "name": "book", "arguments": {"amount": 5}}}


async def test_arguments_fit_the_schema_of_the_tool(tmp_path):
    known = Known(SCHEMA)
    async with harness(tmp_path, BOOK, Denied()) as h:
        row = await asked(h, BOOK)
        await check_answer(h.database, known, row, {"amount": 7})
        await check_answer(h.database, known, row, None)
        for bad, field in (
            ({"amount": "7"}, "answer.amount"),
            ({"amount": 1, "x": 2}, "answer"),
            ([], "answer"),
        ):
            with pytest.raises(InvalidArgument) as caught:
                await check_answer(h.database, known, row, bad)
            assert caught.value.field.startswith(field)
    assert set(known.asked) == {(TENANT.name, "ledger", "book")}


async def test_arguments_are_an_object_while_nobody_knows_the_schema(tmp_path):
    async with harness(tmp_path, BOOK, Denied()) as h:
        row = await asked(h, BOOK)
        await check_answer(h.database, Known(None), row, {"anything": 1})
        with pytest.raises(InvalidArgument):
            await check_answer(h.database, Known(None), row, "text")


@pytest.mark.parametrize(
    ("data", "good", "bad"),
    [({"a": 1}, {"a": 2}, [1]), ([1], [], {}), ("text", "other", 1), (1, 2.5, "1"), (True, False, 1)],
)
async def test_edited_data_keeps_its_type(tmp_path, data, good, bad):
    node = {"name": "a", "approval": {"policy": "p", "data": data, "editable": True}}
    async with harness(tmp_path, node) as h:
        row = await asked(h, node)
        await check_answer(h.database, Known(None), row, good)
        with pytest.raises(InvalidArgument, match="another type"):
            await check_answer(h.database, Known(None), row, bad)


GOOD = ({"resolution": "done", "outcome": None}, {"resolution": "retry"}, {"resolution": "fail"})
BAD = ({"resolution": "done"}, {"resolution": "perhaps"}, {}, "done", [])


def test_an_unknown_outcome_takes_three_answers():
    for answer in GOOD:
        check_resolution(answer)
    for answer in BAD:
        with pytest.raises(InvalidArgument) as caught:
            check_resolution(answer)
        assert caught.value.field.startswith("answer.")


async def test_a_bad_answer_about_a_call_leaves_the_question_open(tmp_path):
    async with harness(tmp_path, BOOK, Lost()) as h:
        row = await asked(h, BOOK)
        with pytest.raises(InvalidArgument):
            await h.approve(row.approval_id, answer={"resolution": "done"})
        assert len(await h.approvals()) == 1
        await h.approve(row.approval_id, answer={"resolution": "done", "outcome": "booked"})
        assert await h.output(row.run_id) == "booked"
