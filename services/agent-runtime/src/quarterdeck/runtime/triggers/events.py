"""Events of the bus, and the triggers that listen to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row

from quarterdeck.common import codec
from quarterdeck.common.bus import Message
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.tenants import TenantId
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.triggers import store
from quarterdeck.runtime.triggers.bindings import Cause, bindings, passes
from quarterdeck.runtime.triggers.constants import DISPATCHED_HEADER, EVENT_TOPIC
from quarterdeck.runtime.triggers.declared import ALLOW, Declared, listens, read_json
from quarterdeck.runtime.triggers.due import REFUSALS
from quarterdeck.runtime.triggers.firing import Firer
from quarterdeck.runtime.triggers.store import Tally

log = structlog.get_logger("triggers")

TenantOf = Callable[[Row[Any]], Awaitable[TenantId]]


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a tenant. `source` and `id` together name it: a repeat has both."""

    tenant_id: str
    type: str
    id: str
    source: str
    data: Any

    @property
    def payload(self) -> dict[str, Any]:
        """What templates and filters see as `event`."""
        return {"type": self.type, "id": self.id, "source": self.source, "data": self.data}

    def message(self) -> Message:
        """Returns the event as a message of the bus, for whoever else listens."""
        topic = EVENT_TOPIC + self.type
        return Message(topic, self.tenant_id, self.payload, headers={DISPATCHED_HEADER: "true"})


def read_message(message: Message) -> Event | None:
    """Reads another's message; None for one of ours, which has been dispatched, or without an id."""
    data: Mapping[str, Any] = message.data
    if message.headers.get(DISPATCHED_HEADER) or not data.get("id"):
        return None
    event_type = message.topic.removeprefix(EVENT_TOPIC)
    return Event(
        message.tenant_id, event_type, str(data["id"]), str(data.get("source", "")), data.get("data")
    )


class Dispatcher:
    """Fires the triggers that an event is for."""

    def __init__(self, engine: Engine, firer: Firer, tenant_of: TenantOf) -> None:
        self._engine = engine
        self._firer = firer
        self._tenant_of = tenant_of

    async def dispatch(self, event: Event) -> int:
        """Fires what listens and returns how many triggers that were. Durable when it returns.

        Raises:
            QuarterdeckError: a run could not be started now. The others were; repeating the
                event starts only what is missing.
        """
        rows = await self._engine.database.read(store.event_triggers, event.tenant_id)
        wanted = [(row, declared) for row in rows if (declared := _listener(row, event)) is not None]
        failure: QuarterdeckError | None = None
        for row, declared in wanted:
            try:
                await self._fire(row, declared, event)
            except REFUSALS as error:
                await self._refuse(row, error.message)
            except QuarterdeckError as error:
                failure = error
        if failure is not None:
            raise failure
        return len(wanted)

    async def _fire(self, row: Row[Any], declared: Declared, event: Event) -> None:
        now = self._engine.clock.now()
        cause = Cause(f"event:{codec.digest([event.source, event.id])[:32]}", now, event.payload)
        tenant = await self._tenant_of(row)
        fate = await self._firer.fire(tenant, row.name, declared, cause, ALLOW)
        if fate.created:
            tally = Tally(now, fate.run_id, fired=1)
            await self._engine.database.write(store.count, row.tenant_id, row.name, tally)

    async def _refuse(self, row: Row[Any], reason: str) -> None:
        log.warning("trigger.skipped", trigger=row.name, tenant=row.tenant, reason=reason)
        tally = Tally(self._engine.clock.now(), skipped=1)
        await self._engine.database.write(store.count, row.tenant_id, row.name, tally)


def _listener(row: Row[Any], event: Event) -> Declared | None:
    """Returns the trigger if the event is for it. A filter that cannot be evaluated lets nothing pass."""
    declared = read_json(row.spec)
    if declared.paused or not listens(declared, event.type):
        return None
    try:
        bound = bindings(row.name, declared, Cause(event.id, 0.0, event.payload))
        return declared if passes(declared, bound) else None
    except ExpressionError as error:
        log.warning("trigger.filter_failed", trigger=row.name, tenant=row.tenant, reason=str(error))
        return None
