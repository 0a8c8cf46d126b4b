"""What the runtime answers to requests that make no sense, and what it says of a run that waits."""

from types import SimpleNamespace

import pytest

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound
from quarterdeck.runtime.bounds import check_message, check_resolution
from quarterdeck.runtime.rpcs.starting import StartingRpcs
from quarterdeck.runtime.rpcs.translate import run_message
from quarterdeck.runtime.store.runs import RunFilter, list_runs
from quarterdeck.runtime.testing.harness import TENANT, Harness

ASK = {"Workflow/w": {"nodes": [{"name": "ask", "approval": {"policy": "p", "title": "?"}}]}}


@pytest.mark.parametrize("value", [None, "", "  \n", {"message": ""}, {"message": None}])
def test_an_agent_is_not_started_without_a_message(value):
    with pytest.raises(InvalidArgument, match="message") as refused:
        check_message(value)
    assert refused.value.field == "input" and "text" in refused.value.hint


@pytest.mark.parametrize("value", ["hello", {"message": "hi"}, {"transaction": 7}, {}, [], 0, False])
def test_whatever_says_something_is_a_message(value):
    check_message(value)


async def test_an_agent_that_does_not_exist_is_told_before_its_message_is_missed():
    async def nobody(_wish):
        raise NotFound("no such agent")

    async def there(_wish):
        return "closure"

    wish = SimpleNamespace(kind="Agent", input=None)
    rpcs = object.__new__(StartingRpcs)
    for found, error in ((nobody, NotFound), (there, InvalidArgument)):
        rpcs._starter = SimpleNamespace(newest_closure=found)
        with pytest.raises(error):
            await rpcs._check_message(wish)
    await rpcs._check_message(SimpleNamespace(kind="Workflow", input=None))


# -- resume ----------------------------------------------------------------------------------------------


async def test_to_resume_what_waits_for_an_approval_says_to_decide_it(tmp_path):
    async with Harness(tmp_path, specs=ASK) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        before = len(await h.journal(run))
        with pytest.raises(FailedPrecondition, match="waiting for 1 approval") as refused:
            await h.resume(run)
        assert f"qd approvals list --run {run}" in refused.value.hint
        assert len(await h.journal(run)) == before
        (approval,) = await h.approvals()
        await h.approve(approval.approval_id)
        await h.output(run)


async def test_what_is_paused_and_waits_for_an_approval_is_resumed(tmp_path):
    async with Harness(tmp_path, specs=ASK) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.pause(run)

        async def reason(wanted):
            return (await h.row(run)).reason == wanted

        await h.until(lambda: reason("paused"))
        await h.resume(run)
        await h.until(lambda: reason("waiting for 1 approval"))


def test_what_was_done_has_an_outcome():
    for outcome in (b"null", b'{"booked":7}'):
        check_resolution("done", outcome)
    for resolution in ("", "retry", "fail"):
        check_resolution(resolution, b"")
    with pytest.raises(InvalidArgument) as refused:
        check_resolution("done", b"")
    assert refused.value.field == "outcome" and "null" in refused.value.hint
    with pytest.raises(InvalidArgument) as refused:
        check_resolution("undo", b"")
    assert refused.value.field == "resolution"


# -- what a run waits for --------------------------------------------------------------------------------


async def reasons(h):
    found = await h.database.read(
        lambda c: list_runs(c, TENANT.id, RunFilter(), limit=9, after="", newest_first=False)
    )
    return [run_message(row).reason for row in found]


async def test_a_queued_run_says_what_it_waits_for(tmp_path):
    async with Harness(tmp_path, specs=ASK) as h:
        first = await h.start("Workflow", "w", {}, key="k", session="s")
        await h.wait(first, "waiting")
        await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        await h.start("Workflow", "w", {}, session="s")
        await h.start("Workflow", "w", {}, key="k", key_conflict="queue", session="s")
        assert await reasons(h) == [
            "waiting for 1 approval",
            "waiting for the run before it with key 'k'",
            "waiting for its turn in session 's'",
            "waiting for the run before it with key 'k' and its turn in session 's'",
        ]


async def test_a_run_that_nobody_took_yet_waits_for_a_worker(tmp_path):
    async with Harness(tmp_path, specs=ASK) as h:
        await h.worker.drain(0.1)
        await h.start("Workflow", "w", {})
        assert await reasons(h) == ["waiting for a worker"]
        await h.start_worker()
