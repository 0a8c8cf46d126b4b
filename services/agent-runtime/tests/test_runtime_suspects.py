"""Who is blamed for a dead worker: runs that were merely held by it are not."""

import asyncio

import pytest
from sqlalchemy import select, update

from quarterdeck.runtime.constants import (
    HEARTBEAT_PERIOD,
    LEASE_SECONDS,
    POISON_ALONE,
    POISON_ATTEMPTS,
    SUSPECT_ATTEMPTS,
    SUSPECT_LONGEST_WAIT,
    SUSPECT_LOOK,
    SUSPECT_PATIENCE,
    SUSPECT_WAIT,
)
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.store.suspicion import Suspect, Verdict, guilty, judge, patience
from quarterdeck.runtime.tables import RUN_QUEUE
from quarterdeck.runtime.testing.claiming import claim_once
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
    assert judge([], idle=True, now=9.0) == (Verdict.IGNORE, [])
    assert judge([old, young], idle=True, now=2.0) == (Verdict.TAKE, [old])
    assert judge([old, young], idle=False, now=1.0 + SUSPECT_PATIENCE) == (Verdict.IGNORE, [])
    assert judge([old, young], idle=False, now=1.1 + SUSPECT_PATIENCE) == (Verdict.MAKE_ROOM, [])


def test_where_nobody_becomes_idle_a_suspect_goes_on_beside_others():
    old, young = suspect("old", ready_at=1.0), suspect("young", ready_at=2.0)
    late = 1.1 + SUSPECT_WAIT
    assert judge([old, young], idle=False, now=late) == (Verdict.TAKE_ALONG, [old])
    assert judge([old, young], idle=False, now=late + 1.0) == (Verdict.TAKE_ALONG, [old, young])
    assert judge([old, young], idle=True, now=late) == (Verdict.TAKE, [old])


def test_each_further_attempt_makes_a_suspect_wait_longer_for_being_alone():
    waits = [patience(suspect(attempts=attempts)) for attempts in range(SUSPECT_ATTEMPTS, 60)]
    assert waits[:3] == [SUSPECT_WAIT, 2 * SUSPECT_WAIT, 4 * SUSPECT_WAIT]
    assert max(waits) == SUSPECT_LONGEST_WAIT


def test_a_dead_workers_runs_go_on_within_ten_seconds_also_if_they_are_suspects():
    assert LEASE_SECONDS + HEARTBEAT_PERIOD + SUSPECT_WAIT + SUSPECT_LOOK < 10


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
            first = claim_once(connection, "one", 1, 1e12).claims
            claim_once(connection, "two", 2, 1e12)
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

        async def held():
            return run in h.worker._runs

        async def held_alone():
            return h.worker._suspect is not None

        run = await h.start("Workflow", "child", "suspect")
        for _ in range(3):
            await h.until(held)
            await crash(h.worker)
            await h.start_worker()
        await h.until(held_alone)
        assert set(began) == {"suspect"}
        other = await h.start("Workflow", "child", "other")
        await asyncio.sleep(0.4)
        assert set(began) == {"suspect"} and list(h.worker._runs) == [run]
        assert await h.database.read(queue.is_suspect, run, h.worker._suspect.epoch)
        go.set()
        assert await h.output(run) == "suspect"
        assert await h.output(other) == "other"


async def test_nothing_begins_while_room_is_made_and_a_suspect_is_taken_along_in_the_end(tmp_path):
    """The worker is never idle: one run is busy all the time."""
    go, started, began = asyncio.Event(), asyncio.Event(), []

    async def call(arguments):
        began.append(arguments["n"])
        started.set()
        if arguments["n"] == "busy":
            await go.wait()
        return arguments["n"]

    def becomes_suspect(connection):
        values = {"status": "ready", "attempts": SUSPECT_ATTEMPTS, "ready_at": h.clock.now()}
        connection.execute(update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run).values(**values))

    async with Harness(tmp_path, specs={"Workflow/child": CHILD}, tools={"s/call": call}) as h:
        await crash(h.worker)
        run = await h.start("Workflow", "child", "suspect")
        parked = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run).values(status="parked")
        await h.database.write(lambda connection: connection.execute(parked).rowcount)
        await h.start_worker()
        busy = await h.start("Workflow", "child", "busy")
        await started.wait()
        await h.database.write(becomes_suspect)
        await asyncio.sleep(SUSPECT_PATIENCE + 4 * SUSPECT_LOOK)
        h.worker._wake.set()
        await asyncio.sleep(SUSPECT_LOOK)
        late = await h.start("Workflow", "child", "late")
        await asyncio.sleep(SUSPECT_LOOK)
        assert began == ["busy"]
        assert await h.output(run) == "suspect"
        assert await h.output(late) == "late"
        go.set()
        assert await h.output(busy) == "busy"
        assert began == ["busy", "suspect", "late"]


async def test_a_claim_whose_answer_was_lost_is_no_attempt(tmp_path):
    async with Harness(tmp_path, specs={"Workflow/child": CHILD}) as h:
        await crash(h.worker)
        run = await h.start("Workflow", "child", 1)

        def lost_claims(connection):
            attempts = []
            for _ in range(4):
                claims = claim_once(connection, "w", 1, 1e12).claims
                attempts += [claim.attempts for claim in claims]
                queue.hand_back_strays(connection, [run], "w", 1.0)
            return attempts

        assert await h.database.write(lost_claims) == [1, 1, 1, 1]
