"""Due timers become inbox rows."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from sqlalchemy import Connection

from quarterdeck.common.database import LAST, Placed, within
from quarterdeck.runtime.constants import SWEEP_PERIOD
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.inbox_events import EXPIRY
from quarterdeck.runtime.store.approvals import expire
from quarterdeck.runtime.store.inbox import Delivery, deliver, deliver_all
from quarterdeck.runtime.store.queue import next_timer_due, take_due_timers

log = structlog.get_logger("timers")

BATCH = 500
# So many are delivered one by one.
FEW = 4
# Seconds. A look begins this long before the last one, since timers may be committed late, and now and then
# with the first of all. (Fired ones stay in the index as long as any old transaction is open.)
LATE = 1.0
ALL_PERIOD = 10.0
# Seconds until those are looked at again whose runs were locked.
BUSY_PAUSE = 0.01
# Timers that another worker sets are seen after this long; our own at once.
LONGEST_SLEEP = 0.25


def fire_due(
    connection: Connection, since: float, now: float, limit: int
) -> tuple[int, list[str], dict[str, str]]:
    """Delivers timers that became due since then, in one transaction; returns how many, and whom to wake."""
    ready: list[str] = []
    poke: dict[str, str] = {}
    due = take_due_timers(connection, since, now, limit)
    coming = [
        Delivery(run_id, tenant_id, "timer", {"timer": timer})
        for run_id, tenant_id, timer in due
        if not _came_too_late(connection, tenant_id, timer, now)
    ]
    if len(coming) > FEW:
        deliver_all(connection, coming, now, ready, poke)
    else:
        for delivery in coming:
            deliver(connection, delivery, now, ready, poke)
    return len(due), ready, poke


def _came_too_late(connection: Connection, tenant_id: str, timer: str, now: float) -> bool:
    """Returns whether it bounds how long a person may take, and the person was quicker."""
    if not timer.startswith(EXPIRY):
        return False
    within(connection, tenant_id)
    return not expire(connection, timer.removeprefix(EXPIRY), now)


class TimerLoop:
    """Fires timers in time, with one query while nothing is due."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # No timer is due before this, as far as is known; and when all of them were looked at.
        self._since = self._looked = float("-inf")

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                delay = await self._fire()
            except Exception as error:  # whatever it was: timers that never fire are worse
                log.error("timers.failed", reason=str(error))
                delay = SWEEP_PERIOD
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._engine.timers_changed.wait()
            self._engine.timers_changed.clear()

    async def _fire(self) -> float:
        """Fires what is due and returns how long to sleep."""
        engine = self._engine
        now = engine.clock.now()
        if not 0.0 <= now - self._looked < ALL_PERIOD:
            self._since, self._looked = float("-inf"), now
        due = await engine.database.read(next_timer_due, self._since)
        since, now = self._since, engine.clock.now()
        self._since = now - LATE if due is None else min(due, now - LATE)
        if due is None or due > now:
            return LONGEST_SLEEP if due is None else min(LONGEST_SLEEP, due - now)
        engine.instruments.timer_lag.observe(now - due)
        fired, ready, poke = await engine.database.write(Placed(fire_due, LAST), since, now, BATCH)
        await engine.wake(ready, poke)
        if not fired:  # whoever has locked them is at work
            return BUSY_PAUSE
        return 0.0 if fired == BATCH else 0.001
