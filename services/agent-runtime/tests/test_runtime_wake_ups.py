"""A bus that holds its publishers up holds up no run."""

import asyncio
import time

from quarterdeck.common.bus import Message
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.constants import SWEEP_PERIOD, WAKE_PATIENCE
from quarterdeck.runtime.execution.waking import WakeUps
from quarterdeck.runtime.testing.harness import Harness

CHAIN = {"nodes": [{"name": f"n{n}", "wait": {"duration": "10ms"}} for n in range(4)]}


class Blocked:
    """As RabbitMQ behind a half-open connection: nothing is confirmed, nothing refused."""

    def __init__(self):
        self.asked = 0

    async def publish(self, message):
        self.asked += 1
        await asyncio.sleep(60)


async def test_a_blocked_bus_costs_one_moment_and_is_then_left_alone_for_a_sweep():
    bus, began = Blocked(), time.monotonic()
    wake_ups = WakeUps(bus)
    for _ in range(20):
        assert not await wake_ups.publish(Message("runs.ready", "", {}))
    assert WAKE_PATIENCE <= time.monotonic() - began < SWEEP_PERIOD
    assert bus.asked == 1
    await asyncio.sleep(SWEEP_PERIOD)
    assert not await wake_ups.publish(Message("runs.ready", "", {}))
    assert bus.asked == 2


async def test_a_bus_that_refuses_is_asked_again_at_once():
    class Away(Blocked):
        async def publish(self, message):
            self.asked += 1
            raise Unavailable("away")

    bus = Away()
    wake_ups = WakeUps(bus)
    assert not await wake_ups.publish(Message("runs.ready", "", {}))
    assert not await wake_ups.publish(Message("runs.ready", "", {}))
    assert bus.asked == 2


async def test_runs_go_on_over_a_blocked_bus(tmp_path):
    async with Harness(tmp_path, specs={"Workflow/chain": CHAIN}) as h:
        h.worker._wake_ups = WakeUps(Blocked())
        began = time.monotonic()
        runs = [await h.start("Workflow", "chain") for _ in range(8)]
        for run in runs:
            assert (await h.wait(run)).state == "succeeded"
        # Each timer may wait for a sweep; none for the bus.
        assert time.monotonic() - began < 4 * (SWEEP_PERIOD + WAKE_PATIENCE) + 4
