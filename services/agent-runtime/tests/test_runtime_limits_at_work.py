"""Limits on runs worked on at once, kept by the engine: what waits takes no slot, and holds up nobody."""

import asyncio
from dataclasses import replace

from sqlalchemy import select

from quarterdeck.runtime.claims.shares import Share
from quarterdeck.runtime.execution.worker import Worker
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.tables import ALLOTMENTS, RUN_QUEUE
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure
from quarterdeck.runtime.testing.transcripts import say, script


class Busy:
    """Counts how many are at work at once."""

    def __init__(self):
        self.now = self.most = 0

    async def __call__(self, *_):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.03)
        self.now -= 1
        return {}


WORKFLOW = {"nodes": [{"name": "a", "tool": {"server": "s", "name": "busy", "arguments": {}}}]}


def at_most(running):
    return lambda tenant_id: Share(running=running) if tenant_id == TENANT.id else Share()


async def test_a_tenant_has_no_more_at_work_than_it_may(tmp_path):
    busy = Busy()
    share = {"share_of": at_most(3), "tools": {"s/busy": busy}}
    async with Harness(tmp_path, specs={"Workflow/w": WORKFLOW}, **share) as h:
        other = Worker(replace(h.engine, worker="other"), h.bus, concurrency=8, alone=False)
        await other.start()
        runs = [await h.start("Workflow", "w") for _ in range(24)]
        for run in runs:
            await h.output(run)
        await other.drain(1.0)
    assert 1 < busy.most <= 3


async def test_what_waits_takes_no_slot(tmp_path):
    child = {"nodes": [{"name": "c", "workflow": {"name": "leaf"}}]}
    specs = {"Workflow/w": child, "Workflow/leaf": WORKFLOW}
    busy = Busy()
    async with Harness(tmp_path, specs=specs, tools={"s/busy": busy}, share_of=at_most(1)) as h:
        runs = [await h.start("Workflow", "w") for _ in range(4)]
        for run in runs:
            await h.output(run)
    assert busy.most == 1


async def test_the_slots_of_a_worker_that_died_are_free_when_its_runs_are(tmp_path):
    go, calls = asyncio.Event(), []

    async def stuck(arguments):
        calls.append(arguments)
        await go.wait()
        return {}

    share = {"share_of": at_most(2), "tools": {"s/busy": stuck}}
    async with Harness(tmp_path, specs={"Workflow/w": WORKFLOW}, **share) as h:
        runs = [await h.start("Workflow", "w") for _ in range(5)]

        async def both_at_work():
            return len(calls) == 2

        await h.until(both_at_work)
        tasks = [*h.worker._loops, *h.worker._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        (slots,) = await h.look(select(ALLOTMENTS.c.slots).where(ALLOTMENTS.c.slots > 0))
        assert slots.slots == 2
        go.set()
        await h.start_worker()  # it takes over what the other had
        for run in runs:
            await h.output(run)


async def test_an_agent_has_no_more_at_work_than_it_may_and_holds_up_no_other(tmp_path):
    busy, go = Busy(), asyncio.Event()
    model = script(say("done"))

    class Model:
        async def perform(self, facts, *rest):
            if facts.name == "a":
                await asyncio.gather(busy(), go.wait())
            return await model.perform(facts, *rest)

    specs = {
        "Agent/a": {"instructions": "x", "limits": {"concurrency": 2}},
        "Agent/b": {"instructions": "x"},
    }
    async with Harness(tmp_path, specs=specs, performers={"model": Model()}) as h:
        held_up = [await h.start("Agent", "a") for _ in range(8)]
        others = [await h.start("Agent", "b") for _ in range(8)]
        for run in others:
            assert await h.output(run) == "done"
        lanes = select(RUN_QUEUE.c.lane, RUN_QUEUE.c.lane_limit, RUN_QUEUE.c.status)
        places = sorted(tuple(row) for row in await h.look(lanes))
        assert places == [("a", 2, "held")] * 2 + [("a", 2, "ready")] * 6
        go.set()
        for run in held_up:
            assert await h.output(run) == "done"
    assert busy.most == 2


async def test_a_run_that_is_tried_again_counts_too(tmp_path):
    busy = Busy()
    share = {"share_of": at_most(2), "tools": {"s/busy": busy}}
    async with Harness(tmp_path, specs={"Workflow/w": WORKFLOW}, **share) as h:
        await h.worker.drain(0.0)
        runs = [await h.start("Workflow", "w") for _ in range(6)]

        def suspected(connection):
            connection.execute(RUN_QUEUE.update().values(attempts=2))

        await h.database.write(suspected)
        await h.start_worker()
        for run in runs:
            await h.output(run)
    assert busy.most <= 2


async def test_a_run_that_is_retried_keeps_its_agents_limit(tmp_path):
    async def broken(facts, state):
        raise ToolFailure("no")

    specs = {"Agent/a": {"instructions": "x", "limits": {"concurrency": 2}}}
    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(broken)}) as h:
        run = await h.start("Agent", "a")
        await h.cancel(run)
        await h.wait(run)
        await h.worker.drain(0.0)
        again = await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=False)
        (place,) = await h.look(select(RUN_QUEUE).where(RUN_QUEUE.c.run_id == again.run_id))
        assert (place.status, place.lane, place.lane_limit) == ("ready", "a", 2)
        await h.start_worker()
