"""Due timers become inbox rows."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from sqlalchemy import Connection

from quarterdeck.common.database import within
from quarterdeck.runtime.constants import SWEEP_PERIOD
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.inbox_events import EXPIRY
from quarterdeck.runtime.store.approvals import expire
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.store.queue import next_timer_due, take_due_timers

log = structlog.get_logger("timers")

BATCH = 500
# Timers that another worker sets are seen after this long; our own at once.
LONGEST_SLEEP = 0.25


def fire_due(connection: Connection, now: float, limit: int) -> tuple[int, list[str], dict[str, str]]:
    """Delivers due timers in one transaction; returns how many, and whom to wake."""
    ready: list[str] = []
    poke: dict[str, str] = {}
    due = take_due_timers(connection, now, limit)
    for run_id, tenant_id, timer in due:
        within(connection, tenant_id)
        if timer.startswith(EXPIRY) and not expire(connection, timer.removeprefix(EXPIRY), now):
            continue  # a person was quicker
        delivery = Delivery(run_id, tenant_id, "timer", {"timer": timer})
        deliver(connection, delivery, now, ready, poke)
    return len(due), ready, poke


class TimerLoop:
    """Fires timers in time, with one query while nothing is due."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
        due = await engine.database.read(next_timer_due)
        now = engine.clock.now()
        if due is None or due > now:
            return LONGEST_SLEEP if due is None else min(LONGEST_SLEEP, due - now)
        engine.instruments.timer_lag.observe(now - due)
        fired, ready, poke = await engine.database.write(fire_due, now, BATCH)
        await engine.wake(ready, poke)
        return 0.0 if fired == BATCH else 0.001
