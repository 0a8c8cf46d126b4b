"""Who is blamed for a dead worker: runs that were merely held by it are not."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.runtime.constants import POISON_ALONE, POISON_ATTEMPTS, SUSPECT_PATIENCE
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.store.suspicion import Suspect, Verdict, guilty, judge
from quarterdeck.runtime.tables import RUN_QUEUE
from quarterdeck.runtime.testing.harness import Harness

CHILD = {
    "nodes": [{"name": "c", "tool": {"server": "s", "name": "call", "arguments": {"n": "${input}"}}}],
    "output": "${nodes.c.output}",
}
TREE = {
    "Workflow/tree": {"nodes": [{"name": "m", "map": {"items": "${input}", "workflow": "child"}}]},
    "Workflow/child": CHILD,
}


def suspect(name="r", attempts=2, alone=0, ready_at=0.0):
    return Suspect(name, "t", 1, 1, attempts, alone, ready_at)


def test_only_who_was_alone_is_guilty():
    assert guilty(suspect(attempts=POISON_ATTEMPTS, alone=POISON_ALONE))
    assert not guilty(suspect(attempts=POISON_ATTEMPTS - 1, alone=POISON_ALONE))
    assert not guilty(suspect(attempts=50, alone=POISON_ALONE - 1))


def test_a_suspect_waits_for_an_idle_worker_and_is_not_forgotten():
    old, young = suspect("old", ready_at=1.0), suspect("young", ready_at=2.0)
    assert judge([], idle=True, now=9.0) == (Verdict.IGNORE, None)
    assert judge([old, young], idle=True, now=2.0) == (Verdict.TAKE, old)
    assert judge([old, young], idle=False, now=1.0 + SUSPECT_PATIENCE) == (Verdict.IGNORE, None)
    assert judge([old, young], idle=False, now=1.1 + SUSPECT_PATIENCE) == (Verdict.MAKE_ROOM, None)


async def crash(worker):
    """Ends a worker as `kill -9` would: nothing is handed back."""
    tasks = [*worker._loops, *worker._runs.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def children(h, run):
    return [await h.row(child) for child in (await h.tree(run))[1:]]


@pytest.mark.parametrize("position", [0, 4, 7])
async def test_innocent_runs_of_a_tree_are_never_quarantined(tmp_path, position):
    """One child kills its worker each time; its siblings are slow enough to be held each time."""
    deadly, seen = asyncio.Event(), []

    async def call(arguments):
        if arguments["n"] == position:
            deadly.set()
            await asyncio.sleep(60)
        await asyncio.sleep(0.02)
        return arguments["n"]

    async with Harness(tmp_path, specs=TREE, tools={"s/call": call}) as h:
        run = await h.start("Workflow", "tree", list(range(8)))
        for _ in range(2 + POISON_ALONE + POISON_ATTEMPTS):
            async with asyncio.timeout(20):
                while not deadly.is_set():
                    seen = await children(h, run)
                    if any(row.state == "quarantined" for row in seen):
                        break
                    await asyncio.sleep(0.01)
            if not deadly.is_set():
                break
            await crash(h.worker)
            deadly.clear()
            await h.start_worker()
        async with asyncio.timeout(20):
            while sum(row.state == "succeeded" for row in seen) < 7:
                await asyncio.sleep(0.02)
                seen = await children(h, run)
        states = {row.item_index: row.state for row in seen}
        assert states == {n: "quarantined" if n == position else "succeeded" for n in range(8)}


async def test_a_lone_run_is_blamed_and_a_crowd_is_not(tmp_path):
    async with Harness(tmp_path, specs={"Workflow/child": CHILD}) as h:
        await crash(h.worker)
        runs = [await h.start("Workflow", "child", n) for n in range(3)]

        def deaths(connection):
            """A worker dies with one run, another with two."""
            first = queue.claim(connection, "one", 1, 1e12).claims
            queue.claim(connection, "two", 2, 1e12)
            queue.take_over(connection, 0.0, 0.0)
            alone = {row.run_id: row.alone for row in connection.execute(select(RUN_QUEUE))}
            return first[0].run_id, alone

        lonely, alone = await h.database.write(deaths)
        assert alone == {run: int(run == lonely) for run in runs}


async def test_a_worker_that_holds_a_suspect_takes_nothing_else(tmp_path):
    """Not by a claim, and not by accepting a run; once the suspect got on, it does."""
    go, began = asyncio.Event(), []

    async def call(arguments):
        began.append(arguments["n"])
        if arguments["n"] == "suspect":
            await go.wait()
        return arguments["n"]

    async with Harness(tmp_path, specs={"Workflow/child": CHILD}, tools={"s/call": call}) as h:
        run = await h.start("Workflow", "child", "suspect")
        for _ in range(2):
            await asyncio.sleep(0.05)
            await crash(h.worker)
            await h.start_worker()
        await asyncio.sleep(0.05)
        await crash(h.worker)
        await h.start_worker()
        await asyncio.sleep(0.3)
        assert set(began) == {"suspect"}
        other = await h.start("Workflow", "child", "other")
        await asyncio.sleep(0.4)
        assert set(began) == {"suspect"} and list(h.worker._runs) == [run]
        assert await h.database.read(queue.is_suspect, run, h.worker._suspect.epoch)
        go.set()
        assert await h.output(run) == "suspect"
        assert await h.output(other) == "other"
