"""Bulk reruns: shown before they are done, done once, page by page."""

import asyncio

import pytest

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument
from quarterdeck.runtime.operations.rerunning import RERUN_LABEL, Rerunner, Selection
from quarterdeck.runtime.store.runs import LabelTest, RunFilter
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure

NODES = [{"name": "a", "tool": {"server": "s", "name": "pick", "arguments": {"n": "${input.n}"}}}]


class Starter:
    """Starts what is wished through the harness, with everything that acceptance says about keys."""

    def __init__(self, h):
        self._h = h

    async def start(self, wish):
        more = {"labels": wish.labels, "idempotency_key": wish.idempotency_key, "key": wish.key}
        run_id = await self._h.start(wish.kind, wish.name, wish.input, **more)

        class Accepted:
            pass

        accepted = Accepted()
        accepted.run_id = run_id
        return accepted


@pytest.fixture
async def world(tmp_path):
    broken = {2, 4}

    async def pick(arguments):
        if arguments["n"] in broken:
            raise ToolFailure("no")
        return arguments["n"]

    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": NODES}}, tools={"s/pick": pick}) as h:
        runs = [await h.start("Workflow", "w", {"n": n}, labels={"odd": str(n % 2)}) for n in range(6)]
        for run in runs:
            await h.wait(run)
        yield h, Rerunner(h.engine, Starter(h)), runs, broken


def wanted(limit=10, from_failure=False, **filter):
    return Selection(RunFilter(**filter), from_failure, limit)


async def rerun(rerunner, selection, token="", confirm="", dry_run=False):
    return await rerunner.rerun(TENANT, selection, token, confirm, PRINCIPAL, dry_run=dry_run)


async def everything(h):
    from quarterdeck.runtime.store.runs import list_runs

    return await h.database.read(list_runs, TENANT.id, RunFilter(), limit=500, after="", newest_first=False)


async def test_a_dry_run_then_the_real_one_and_again(world):
    h, rerunner, runs, broken = world
    shown = await rerun(rerunner, wanted(), dry_run=True)
    assert [again.row.run_id for again in shown.runs] == [runs[2], runs[4]]
    assert not any(again.run_id for again in shown.runs) and len(await everything(h)) == 6
    broken.remove(4)
    done = await rerun(rerunner, wanted(), confirm=shown.confirm)
    new = [again.run_id for again in done.runs]
    assert await h.output(new[1]) == 4
    assert (await h.wait(new[0])).state == "failed"
    row = await h.row(new[0])
    assert RERUN_LABEL.encode() in row.labels and runs[2].encode() in row.labels
    # The new ones have failed meanwhile, and would be selected; a repeat still means the same.
    twice = await rerun(rerunner, wanted(), confirm=shown.confirm)
    assert [again.run_id for again in twice.runs] == new
    assert len(await everything(h)) == 8


async def test_two_at_once_start_nothing_twice(world):
    h, rerunner, _, _ = world
    shown = await rerun(rerunner, wanted(), dry_run=True)
    pages = await asyncio.gather(*(rerun(rerunner, wanted(), confirm=shown.confirm) for _ in range(3)))
    assert len({tuple(again.run_id for again in page.runs) for page in pages}) == 1
    assert len(await everything(h)) == 8


async def test_another_selection_is_refused(world):
    h, rerunner, _, _ = world
    shown = await rerun(rerunner, wanted(), dry_run=True)
    for other in (
        wanted(states=("succeeded",)),
        wanted(limit=1),
        wanted(name="v"),
        wanted(from_failure=True),
    ):
        with pytest.raises(FailedPrecondition) as refused:
            await rerun(rerunner, other, confirm=shown.confirm)
        assert refused.value.reason == "SelectionChanged"
    with pytest.raises(InvalidArgument, match="confirmation is required"):
        await rerun(rerunner, wanted())
    for nonsense in ("x", "1-y-z"):
        with pytest.raises((InvalidArgument, FailedPrecondition)):
            await rerun(rerunner, wanted(), confirm=nonsense)
    with pytest.raises(InvalidArgument, match="not over"):
        await rerun(rerunner, wanted(states=("failed", "waiting")), dry_run=True)
    assert len(await everything(h)) == 6


async def test_pages_do_not_see_what_earlier_pages_started(world):
    h, rerunner, runs, _ = world
    first = await rerun(rerunner, wanted(limit=1), dry_run=True)
    done = await rerun(rerunner, wanted(limit=1), confirm=first.confirm)
    await h.wait(done.runs[0].run_id)
    second = await rerun(rerunner, wanted(limit=1), first.more, dry_run=True)
    assert [again.row.run_id for again in second.runs] == [runs[4]] and second.more == ""
    last = await rerun(rerunner, wanted(limit=1), first.more, second.confirm)
    assert last.runs[0].run_id and len(await everything(h)) == 8


async def test_filters(world):
    h, rerunner, runs, _ = world
    odd = LabelTest("odd", ["1"])
    shown = await rerun(rerunner, wanted(states=("succeeded",), labels=(odd,)), dry_run=True)
    assert [again.row.run_id for again in shown.runs] == [runs[1], runs[3], runs[5]]
    created = (await h.row(runs[4])).created_at
    shown = await rerun(rerunner, wanted(created_from=created), dry_run=True)
    assert [again.row.run_id for again in shown.runs] == [runs[4]]
    shown = await rerun(rerunner, wanted(created_before=created), dry_run=True)
    assert [again.row.run_id for again in shown.runs] == [runs[2]]
    nothing = await rerun(rerunner, wanted(kind="Agent"), dry_run=True)
    assert (nothing.runs, nothing.confirm) == ([], "")


async def test_from_the_failed_step_with_problems_noted(world):
    h, rerunner, runs, broken = world
    both = wanted(from_failure=True, states=("failed", "succeeded"))
    shown = await rerun(rerunner, both, dry_run=True)
    assert [bool(again.problem) for again in shown.runs] == [True, True, False, True, False, True]
    broken.clear()
    done = await rerun(rerunner, both, confirm=shown.confirm)
    new = [again.run_id for again in done.runs if again.run_id]
    assert [await h.output(run) for run in new] == [2, 4]
    assert (await h.row(new[0])).forked_from.startswith(runs[2])
