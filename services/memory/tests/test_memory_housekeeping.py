"""Housekeeping outlives what goes wrong."""

import asyncio

from quarterdeck.common.clock import SystemClock
from quarterdeck.common.errors import Unavailable
from quarterdeck.memory.housekeeping import every


class Notes:
    """A log."""

    def __init__(self):
        self.warnings = []

    def warning(self, event, **facts):
        self.warnings.append((event, facts))


async def test_it_goes_on_after_the_database_was_away():
    log, done, left = Notes(), asyncio.Event(), [2]

    async def work():
        if left[0]:
            left[0] -= 1
            raise Unavailable("the database is away")
        done.set()

    task = asyncio.create_task(every(0.001, work, "recount", clock=SystemClock(), log=log))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    assert (
        log.warnings == [("housekeeping.failed", {"task": "recount", "reason": "the database is away"})] * 2
    )
