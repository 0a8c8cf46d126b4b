"""A run begins in the commit that accepts it, when there is room; everything else goes by the queue."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.common.errors import AlreadyExists
from quarterdeck.runtime.tables import RUN_QUEUE
from quarterdeck.runtime.testing.harness import Harness

STEP = {"name": "a", "tool": {"server": "s", "name": "slow", "arguments": {"n": 1}}}
SPECS = {"Workflow/w": {"nodes": [STEP]}}


class Gate:
    """A tool that waits until it may answer."""

    def __init__(self):
        self.calls = 0
        self.open = asyncio.Event()

    async def __call__(self, arguments):
        self.calls += 1
        await self.open.wait()
        return arguments


async def queued(h, run_id):
    query = select(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run_id)
    return await h.database.read(lambda connection: connection.execute(query).one())


async def abandon(worker):
    """Ends a worker as a crash would: nothing is handed back."""
    tasks = [*worker._loops, *worker._runs.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def at_leisure(h):
    """Waits until the worker's first look for work is over; meanwhile it lets no run begin."""
    await asyncio.sleep(0.01)

    async def looked():
        return h.worker._may_begin.is_set()

    await h.until(looked)


async def test_accepting_commit_holds_the_first_intent(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        await at_leisure(h)
        run_id = await h.start("Workflow", "w")
        place = await queued(h, run_id)
        assert (place.status, place.worker, place.epoch) == ("held", h.engine.worker, 1)
        assert [e.type for e in await h.journal(run_id)] == ["run.started", "step.started", "effect.intent"]
        gate.open.set()
        assert await h.output(run_id) == {"n": 1}
        assert gate.calls == 1


async def test_full_worker_leaves_a_run_to_the_queue(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}, concurrency=1) as h:
        await at_leisure(h)
        first = await h.start("Workflow", "w")
        second = await h.start("Workflow", "w")
        assert (await queued(h, second)).status == "ready"
        gate.open.set()
        assert await h.output(first) == await h.output(second) == {"n": 1}


async def test_run_that_began_is_taken_over_after_a_crash(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        run_id = await h.start("Workflow", "w")
        await abandon(h.worker)
        gate.open.set()
        await h.start_worker()
        assert await h.output(run_id) == {"n": 1}
        types = [e.type for e in await h.journal(run_id)]
        assert types.count("run.started") == types.count("effect.intent") == 1


async def test_refusal_reaches_the_caller_and_leaves_nothing_behind(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        first = await h.start("Workflow", "w", key="k")
        with pytest.raises(AlreadyExists, match="still open"):
            await h.start("Workflow", "w", key="k")
        behind = await h.start("Workflow", "w", key="k", key_conflict="queue")
        place = await queued(h, behind)
        assert (place.status, place.worker, place.epoch) == ("gated", "", 0)
        assert await h.journal(behind) == []
        gate.open.set()
        assert await h.output(first) == await h.output(behind) == {"n": 1}
        assert gate.calls == 2


async def test_repeated_wish_gets_the_same_run(tmp_path):
    gate = Gate()
    gate.open.set()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        ids = await asyncio.gather(*(h.start("Workflow", "w", idempotency_key="once") for _ in range(8)))
        assert len(set(ids)) == 1
        await h.output(ids[0])
        assert gate.calls == 1


async def test_worker_that_is_gone_begins_nothing(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        await abandon(h.worker)
        run_id = await h.start("Workflow", "w")
        assert (await queued(h, run_id)).status == "ready"
        gate.open.set()
        await h.start_worker()
        assert await h.output(run_id) == {"n": 1}


async def test_more_decisions_than_one_commit_holds(tmp_path):
    nodes = [
        {"name": "a", "transform": {"output": 1}, "maxVisits": 700, "next": [{"to": "b"}]},
        {
            "name": "b",
            "transform": {"output": 1},
            "maxVisits": 700,
            "next": [{"to": "a", "when": "${nodes.a.visits < 400}"}],
        },
    ]
    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": nodes}}) as h:
        assert await h.output(await h.start("Workflow", "w")) == 1
