"""Clocks that jump: the machine's moves nothing where the database has one; else it is followed, and said."""

import asyncio
import time

from structlog.testing import capture_logs

from quarterdeck.common.clock import CLOCKS_AGREE, SteadyClock, correction
from quarterdeck.runtime.testing.harness import Harness

HOUR = 3600.0
SPECS = {
    "Workflow/short": {"nodes": [{"name": "t", "transform": {"output": 1}}], "output": 1},
    "Workflow/long": {"nodes": [{"name": "w", "wait": {"duration": "30m"}}]},
}


class Wall:
    """The machine's clock, which somebody sets."""

    def __init__(self):
        self.off = 0.0

    def __call__(self):
        return time.time() + self.off


def test_a_look_that_took_long_is_no_difference():
    assert correction(105.0, 100.0, 110.0) == 0
    assert correction(110.0 + CLOCKS_AGREE, 100.0, 110.0) == 0
    assert correction(120.0, 100.0, 110.0) == 10
    assert correction(90.0, 100.0, 110.0) == -10


def test_a_steady_clock_does_not_jump_but_can_be_corrected():
    wall, seconds = Wall(), [0.0]
    clock = SteadyClock(wall, lambda: seconds[0])
    before = clock.now()
    wall.off = HOUR
    seconds[0] = 5.0
    assert clock.now() == before + 5.0
    assert clock.follow(before + 5.0 + HOUR, clock.now()) == HOUR
    assert clock.now() == before + 5.0 + HOUR
    assert clock.follow(before + 5.1 + HOUR, clock.now()) == 0


def jumps(logs):
    return [line for line in logs if line["event"] == "clock.jumped"]


async def test_a_machine_whose_clock_jumps_ahead(tmp_path, dialect):
    """On a server nothing happens. With a file there is no other clock: it is followed, and said once."""
    wall = Wall()
    async with Harness(tmp_path, specs=SPECS, clock=SteadyClock(wall)) as h:
        run = await h.start("Workflow", "long")
        await h.wait(run, "waiting")
        with capture_logs() as logs:
            wall.off = HOUR
            for _ in range(3):
                await h.worker._renew()
            if dialect == "sqlite":
                assert (await h.wait(run)).state == "succeeded"
                assert [(line["seconds"], line["followed"]) for line in jumps(logs)] == [(HOUR, "machine")]
            else:
                await asyncio.sleep(1.0)
                assert (await h.row(run)).state == "waiting"
                assert not jumps(logs)


async def test_a_machine_whose_clock_was_an_hour_ahead_of_the_servers(tmp_path, dialect):
    """What it named as ready by its clock is ready now, and not in an hour."""
    wall = Wall()
    async with Harness(tmp_path, specs=SPECS, clock=SteadyClock(wall)) as h:
        h.clock._offset += HOUR
        h.worker._draining = True  # so that the run goes to the queue
        run = await h.start("Workflow", "short")
        h.worker._draining = False
        with capture_logs() as logs:
            await h.worker._renew()
            await h.worker.wake([run], {})
            assert (await h.wait(run, timeout=10)).state == "succeeded"
        followed = "machine" if dialect == "sqlite" else "database"
        assert [(line["seconds"], line["followed"]) for line in jumps(logs)] == [(-HOUR, followed)]
        assert abs(h.clock.now() - time.time()) < 5
