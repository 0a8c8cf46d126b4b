"""What is outside fails: a run neither gets stuck nor forgets."""

import asyncio

from runtime_kit.corners import harness, restart, signal, tool, until
from sqlalchemy import update

from quarterdeck.common import codec
from quarterdeck.common.bus import FaultPlan, InProcessBus
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution import worker
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.store import definitions, queue
from quarterdeck.runtime.tables import DEFINITIONS, RUN_QUEUE
from quarterdeck.runtime.testing.harness import TENANT


async def test_an_outcome_that_could_not_be_stored_is_asked_for_again(tmp_path):
    asked = []

    class DiskFull:
        async def perform(self, facts, definition, state, effect):
            asked.append(effect.id)
            if len(asked) == 1:
                raise Unavailable("the disk is full")
            return [Event("effect.outcome", {"effect": effect.id, "status": "ok", "result": 1})]

    async with harness(tmp_path, tool("a"), performers={"tool": DiskFull()}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == 1
    assert asked == ["e1", "e1"]


async def test_a_full_disk_is_not_the_fault_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_DELAY", 0.01)
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        write, left = h.database.write_together, [6]

        async def failing(function, item):
            if left[0]:
                left[0] -= 1
                raise Unavailable("the disk is full")
            return await write(function, item)

        monkeypatch.setattr(h.database, "write_together", failing)
        await h.signal(run, "go", 1)
        assert await h.output(run) == 1 and left == [0]


async def test_a_lost_poke_costs_a_sweep_though_an_effect_is_in_flight(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "HEARTBEAT_PERIOD", 0.05)
    forever, began = asyncio.Event(), asyncio.Event()

    async def stuck(arguments):
        began.set()
        await forever.wait()
        return 1

    bus = InProcessBus(FaultPlan(loss=1.0))
    async with harness(tmp_path, tool("a", "stuck"), tools={"stuck": stuck}, bus=bus) as h:
        run = await h.start("Workflow", "w", {})
        await began.wait()
        await h.cancel(run)

        async def stopping():
            return "run.stopping" in [event.type for event in await h.journal(run)]

        await until(stopping, timeout=5)
        forever.set()
        assert (await h.wait(run)).state == "cancelled"


class Refusing(InProcessBus):
    """A bus whose broker is away."""

    async def publish(self, message):
        raise Unavailable("RabbitMQ cannot be reached")


async def test_a_bus_that_takes_nothing_holds_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "SWEEP_PERIOD", 60.0)
    async with harness(tmp_path, signal("a"), bus=Refusing()) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go", 1)
        assert await h.output(run, timeout=5) == 1


async def test_a_run_held_by_nobody_known_is_taken_over(tmp_path):
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        ghost = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run).values(status="held", worker="ghost")
        await h.change(ghost)
        assert await h.database.write(queue.take_over, h.clock.now(), 10.0) == 1


async def test_repinning_saves_a_run_whose_definition_is_unusable(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_DELAY", 0.01)
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        spoilt = codec.dumps({"nodes": [{"name": "a", "transform": {"output": "${oops"}}]})
        await h.change(update(DEFINITIONS).values(spec=spoilt))
        await restart(h)
        await h.signal(run, "go", 1)
        row = await h.wait(run)
        assert row.state == "quarantined"
        spec = {"nodes": [signal("a", next="b"), {"name": "b", "transform": {"output": "mended"}}]}
        specs = [("Workflow/w@2", "Workflow", "w", codec.dumps(spec))]
        closure = await h.database.write(definitions.save_closure, TENANT.id, ("Workflow", "w"), specs)
        woken = await h.database.write(deliveries.repin, TENANT, run, closure, [], h.clock.now())
        await h.engine.wake(*woken)
        await until(lambda: _in_state(h, run, "succeeded"))
        assert await h.output(run) == "mended"


async def _in_state(h, run, state):
    return (await h.row(run)).state == state
