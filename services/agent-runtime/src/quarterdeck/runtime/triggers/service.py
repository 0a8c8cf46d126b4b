"""Triggers: what the rest of the runtime calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from quarterdeck.common import codec
from quarterdeck.common.bus import Bus, Message, Subscription
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import NotFound, Unavailable
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.triggers import store
from quarterdeck.runtime.triggers.backfill import backfill_overlap, backfill_times
from quarterdeck.runtime.triggers.bindings import Cause
from quarterdeck.runtime.triggers.constants import ARRIVAL, EVENT_TOPIC
from quarterdeck.runtime.triggers.declared import Declared, read_json
from quarterdeck.runtime.triggers.due import DueLoop, scheduled
from quarterdeck.runtime.triggers.events import Dispatcher, Event, read_message
from quarterdeck.runtime.triggers.firing import Fate, Firer
from quarterdeck.runtime.triggers.store import Tally
from quarterdeck.v1 import runs_pb2

log = structlog.get_logger("triggers")
LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Fired:
    """The runs that a firing started or found, or why it started none."""

    runs: list[str] = field(default_factory=list)
    skipped: str = ""


class Triggers:
    """Starts runs: by the clock, by hand, from routes, webhooks and events."""

    def __init__(self, engine: Engine, firer: Firer, bus: Bus, tenants: TenantDirectory) -> None:
        self._engine = engine
        self._database = engine.database
        self._bus = bus
        self._tenants = tenants
        self._firer = firer
        self._loop = DueLoop(engine, self._firer, self._tenant_of)
        self._dispatcher = Dispatcher(engine, self._firer, self._tenant_of)
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begins to watch the clock and the bus. The object watcher must have loaded its copies."""
        await self._database.write(store.forget_undeclared)
        self._subscription = await self._bus.subscribe(f"{EVENT_TOPIC}*", self._on_message)
        self._task = asyncio.create_task(self._loop.run(), name="triggers")

    async def stop(self) -> None:
        """Stops; what is due meanwhile fires after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.close()

    async def on_object(self, watched: Watched, deleted: bool) -> None:
        """Learns that a Trigger was applied, changed or deleted."""
        if deleted:
            await self._database.write(store.forget, watched.tenant_id, watched.name)
            return
        tenant = (watched.tenant_id, watched.tenant)
        spec, now = codec.dumps(watched.spec), self._engine.clock.now()
        try:
            await self._database.write(store.declare, tenant, watched.name, spec, now)
        except (KeyError, ValueError) as error:
            log.error("trigger.unreadable", trigger=watched.name, tenant=watched.tenant, reason=str(error))
            await self._database.write(store.forget, watched.tenant_id, watched.name)
        self._loop.changed()

    async def fire(
        self,
        tenant: TenantId,
        name: str,
        payload: Any,
        fire_id: str,
        backfill_from: str = "",
        backfill_to: str = "",
    ) -> Fired:
        """Fires a trigger now, or every scheduled time of an interval that was not fired yet.

        Args:
            fire_id: makes a repeat find the first run; empty: every call is one of its own.

        Raises:
            NotFound: no such trigger, or its target is gone.
            InvalidArgument: the interval is wrong, or the input breaks the target's schema.
            FailedPrecondition: a template cannot be evaluated, or the tenant is suspended.
        """
        declared = read_json((await self._require(tenant, name)).spec)
        if declared.paused:
            return Fired(skipped="the trigger is paused; set spec.paused to false")
        if backfill_from or backfill_to:
            return await self._backfill(tenant, name, declared, payload, backfill_from, backfill_to)
        cause = Cause(f"id:{fire_id or self._engine.new_id()}", self._engine.clock.now(), payload)
        fate = await self._fire(tenant, name, declared, cause, declared.overlap)
        return Fired([fate.run_id] if fate.run_id else [], fate.skipped)

    async def _backfill(
        self, tenant: TenantId, name: str, declared: Declared, payload: Any, first: str, last: str
    ) -> Fired:
        now = self._engine.clock.now()
        times = await asyncio.to_thread(backfill_times, declared, first, last, now)
        runs = []
        for due in times:
            overlap = backfill_overlap(declared)
            fate = await self._fire(tenant, name, declared, scheduled(due, payload), overlap)
            runs.append(fate.run_id)
        return Fired(runs, "" if times else "the interval has no scheduled time")

    async def _fire(
        self, tenant: TenantId, name: str, declared: Declared, cause: Cause, overlap: str
    ) -> Fate:
        fate = await self._firer.fire(tenant, name, declared, cause, overlap)
        if fate.created or fate.skipped:
            tally = Tally(self._engine.clock.now(), fate.run_id, int(fate.created), int(bool(fate.skipped)))
            await self._database.write(store.count, tenant.id, name, tally)
        return fate

    async def state(self, tenant: TenantId, name: str) -> runs_pb2.TriggerState:
        """Returns when a trigger is due next and what it did. Raises NotFound."""
        row = await self._require(tenant, name)
        return runs_pb2.TriggerState(
            name=name,
            next_due_at=rfc3339(row.next_due),
            last_fired_at=rfc3339(row.last_fired),
            last_run_id=row.last_run_id,
            paused=read_json(row.spec).paused,
            fired=row.fired,
            skipped=row.skipped,
        )

    async def publish(self, tenant: TenantId, type: str, data: Any, event_id: str, source: str) -> int:
        """Fires what listens to an event, then tells the bus; returns how many triggers it was for.

        The bus may lose a message, so its word alone would not do for an event that was accepted.

        Raises:
            QuarterdeckError: not every run could be started; the same event id again starts the rest.
        """
        event = Event(tenant.id, type, event_id or self._engine.new_id(), source, data)
        matched = await self._dispatcher.dispatch(event)
        await self._bus.publish(event.message())
        return matched

    async def _on_message(self, message: Message) -> None:
        """Fires what listens to an event that somebody else published."""
        act_for(None)
        event = read_message(message)
        if event is not None:
            await self._dispatcher.dispatch(event)

    async def _require(self, tenant: TenantId, name: str) -> Row[Any]:
        """Returns a trigger's row; one that was just applied may still be on its way."""
        for _ in range(round(ARRIVAL / LOOK_AGAIN)):
            row = await self._database.read(store.find, tenant.id, name)
            if row is not None:
                return row
            await asyncio.sleep(LOOK_AGAIN)
        raise NotFound(f"no trigger {name} in tenant {tenant.name}", field="name")

    async def _tenant_of(self, row: Row[Any]) -> TenantId:
        """Returns a row's tenant as it is now; while the registry is away, as it was."""
        try:
            tenant = await self._tenants.resolve(row.tenant, patience=0)
        except Unavailable:
            return TenantId(row.tenant, row.tenant_id)
        if tenant.id != row.tenant_id:
            raise NotFound(f"the tenant {row.tenant} of this trigger is gone", field="tenant")
        return tenant
