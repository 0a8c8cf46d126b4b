"""A retry keeps the turns of sessions, as its first attempt did, and its runs are found by their labels."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.rpcs.translate import label_tests
from quarterdeck.runtime.store.runs import RunFilter, list_runs
from quarterdeck.runtime.tables import RUN_QUEUE
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure


class Switch:
    """A tool that fails while it is told to, and one that always answers."""

    def __init__(self):
        self.broken = True

    async def tool(self, arguments):
        if self.broken and arguments.get("v") != 1:
            raise ToolFailure("broken")
        return arguments


def one_step(folder, switch, *nodes):
    step = {"name": "a", "tool": {"server": "s", "name": "t", "arguments": {"v": "${input}"}}}
    specs = {"Workflow/w": {"nodes": list(nodes) or [step]}, "Workflow/item": {"nodes": [step]}}
    return Harness(folder, specs=specs, tools={"s/t": switch.tool})


async def retry(h, run, *, dry_run=False):
    return await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=dry_run)


@pytest.mark.parametrize(
    ("at", "words"), [({"session": "s"}, "session 's'"), ({"key": "k"}, "key 'k'")], ids=["session", "key"]
)
async def test_a_retry_does_not_overtake_who_has_the_turn(tmp_path, at, words):
    switch = Switch()
    wait = {"name": "wait", "wait": {"signal": {"name": "go"}}}
    async with one_step(tmp_path, switch) as h:
        run = await h.start("Workflow", "w", 2, **at)
        await h.error(run)
    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": [wait]}}) as h:
        newer = await h.start("Workflow", "w", {}, **at)
        await h.wait(newer, "waiting")
        for dry_run in (True, False):
            with pytest.raises(FailedPrecondition, match=f"run {newer} with {words} is open"):
                await retry(h, run, dry_run=dry_run)
        await h.signal(newer, "go")
        await h.output(newer)
        assert (await retry(h, run, dry_run=True)).following == ["a"]


async def test_turns_of_a_session_inside_a_tree_stay_one_at_a_time(tmp_path):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def model(facts, state):
        begun.set()
        await go_on.wait()
        return {"role": "assistant", "content": [{"type": "text", "text": "done"}]}

    branch = {"agent": {"name": "a", "input": "hi", "session": "s"}}
    both = {"name": "p", "parallel": {"branches": [{"name": "x", **branch}, {"name": "y", **branch}]}}
    specs = {"Workflow/w": {"nodes": [both]}, "Agent/a": {"instructions": "Be brief."}}
    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(model)}) as h:
        run = await h.start("Workflow", "w", {})
        await begun.wait()
        await h.wait(run, "waiting")
        await h.terminate(run)
        begun.clear()
        again = (await retry(h, run)).run_id
        children = (await h.tree(again))[1:]
        assert sorted(await statuses(h, children)) in (["gated", "held"], ["gated", "ready"])
        go_on.set()
        await h.output(again)
        assert [(await h.row(child)).state for child in children] == ["succeeded"] * 2


async def statuses(h, run_ids):
    query = select(RUN_QUEUE.c.status).where(RUN_QUEUE.c.run_id.in_(run_ids))
    return await h.database.read(lambda c: c.execute(query).scalars().all())


async def test_all_runs_of_a_retry_are_found_by_their_labels(tmp_path):
    switch = Switch()
    each = {"name": "m", "map": {"items": [1, 2], "workflow": "item"}}
    async with one_step(tmp_path, switch, each) as h:
        run = await h.start("Workflow", "w", {}, labels={"team": "x"})
        await h.error(run)
        switch.broken = False
        again = (await retry(h, run)).run_id
        await h.output(again)
        wanted = RunFilter(labels=label_tests("team=x"))
        rows = await h.database.read(
            lambda c: list_runs(c, TENANT.id, wanted, limit=100, after="", newest_first=False)
        )
        tree = await h.tree(again)
        assert len(tree) == 3  # the root, the item that is kept, and the one that goes on
        assert {row.run_id for row in rows} == {*tree, *await h.tree(run)}
