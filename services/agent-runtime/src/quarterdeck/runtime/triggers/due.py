"""The loop that fires cron triggers in time.

A due trigger is started first, under the key of (trigger, scheduled time), and then moved to
its next due time. A crash in between repeats the start, which finds the run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    QuarterdeckError,
)
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.triggers import cron, store
from quarterdeck.runtime.triggers.bindings import Cause
from quarterdeck.runtime.triggers.constants import MAX_COUNTED, ON_TIME
from quarterdeck.runtime.triggers.declared import Declared, read_json
from quarterdeck.runtime.triggers.firing import Fate, Firer, idempotency_key
from quarterdeck.runtime.triggers.store import Tally

log = structlog.get_logger("triggers")

BATCH = 32
# Seconds. What another worker changes, and a clock that was set, is seen after this long.
LONGEST_SLEEP = 5.0
# After a start, changes that were made while nobody looked arrive before the first firing.
SETTLE = 1.0
RETRY_FIRST, RETRY_MOST = 1.0, 60.0
# The trigger's or its target's own fault: trying again changes nothing.
REFUSALS = (FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)

TenantOf = Callable[[Row[Any]], Awaitable[TenantId]]


class DueLoop:
    """Fires what is due, with one query while nothing is.

    Args:
        tenant_of: resolves the tenant of a trigger's row.
    """

    def __init__(self, engine: Engine, firer: Firer, tenant_of: TenantOf) -> None:
        self._engine = engine
        self._firer = firer
        self._tenant_of = tenant_of
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Looks again: a due time was set."""
        self._changed.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        # The runtime acts for itself here, whoever's call happened to start it.
        act_for(None)
        await self._engine.clock.sleep(SETTLE)
        while True:
            self._changed.clear()
            try:
                delay = await self.fire_due()
            except Exception:
                log.exception("triggers.failed")
                delay = LONGEST_SLEEP
            await self._sleep(delay)

    async def _sleep(self, delay: float) -> None:
        """Sleeps on the engine's clock, or until a due time was set."""
        waits = [asyncio.ensure_future(self._engine.clock.sleep(delay)), self._changed_task()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _changed_task(self) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self._changed.wait())

    async def fire_due(self) -> float:
        """Fires one scheduled time of every due trigger and returns how long to sleep, in seconds."""
        database = self._engine.database
        wake_at = await database.read(store.next_wake)
        # After the answer: what a slow database took is not slept once more.
        now = self._engine.clock.now()
        if wake_at is None or wake_at > now:
            return LONGEST_SLEEP if wake_at is None else min(LONGEST_SLEEP, wake_at - now)
        rows = await database.read(store.due, now, BATCH)
        moved = await asyncio.gather(*(self._look_at(row, now) for row in rows))
        return 0.0 if all(moved) else RETRY_FIRST

    async def _look_at(self, row: Row[Any], now: float) -> bool:
        """Takes one trigger a step further; a failure is its own and is tried again later.

        Returns whether the trigger is due at another time now: not so if that could not be written.
        """
        try:
            await self._take_step(row, now)
            return True
        except Exception as error:
            delay = min(max(RETRY_FIRST, now - row.next_due), RETRY_MOST)
            reason = error.message if isinstance(error, QuarterdeckError) else repr(error)
            log.warning("trigger.postponed", trigger=row.name, tenant=row.tenant, reason=reason, delay=delay)
            with contextlib.suppress(QuarterdeckError):
                await self._engine.database.write(store.postpone, row, now + delay)
                return True
            return False

    async def _take_step(self, row: Row[Any], now: float) -> None:
        declared = read_json(row.spec)
        assert declared.schedule is not None
        oldest = now - max(declared.catch_up, ON_TIME)
        if row.next_due < oldest:
            await self._skip_missed(row, declared.schedule, oldest, now)
            return
        self._engine.instruments.timer_lag.observe(now - row.next_due)
        fate = await self._fire(row, declared)
        following = await asyncio.to_thread(cron.next_after, declared.schedule, row.next_due)
        if fate.run_id:
            tally = Tally(now, fate.run_id, fired=1)
            await self._engine.database.write(store.advance, row, following, tally)
        else:
            await self._skip(row, following, Tally(now, skipped=1))

    async def _skip_missed(self, row: Row[Any], schedule: cron.Schedule, oldest: float, now: float) -> None:
        # Up to a thousand times of a schedule are worked out here: too long for the event loop.
        missed, following = await asyncio.to_thread(
            cron.skip_until, schedule, row.next_due, oldest, MAX_COUNTED
        )
        log.warning("trigger.missed", trigger=row.name, tenant=row.tenant, times=missed)
        await self._skip(row, following, Tally(now, skipped=missed))

    async def _skip(self, row: Row[Any], following: float | None, tally: Tally) -> None:
        key = idempotency_key(row.name, scheduled(row.next_due).id)
        await self._engine.database.write(store.skip, row, following, tally, key)

    async def _fire(self, row: Row[Any], declared: Declared) -> Fate:
        cause = scheduled(row.next_due)
        try:
            tenant = await self._tenant_of(row)
            wanted = partial(store.is_due, row=row)
            fate = await self._firer.fire(tenant, row.name, declared, cause, declared.overlap, wanted)
        except REFUSALS as error:
            fate = Fate(skipped=error.message)
        if fate.skipped:
            log.warning("trigger.skipped", trigger=row.name, tenant=row.tenant, reason=fate.skipped)
        return fate


def scheduled(due: float, payload: Any = None) -> Cause:
    """Returns the cause that a scheduled time is."""
    return Cause(f"at:{rfc3339(due)}", due, payload)
