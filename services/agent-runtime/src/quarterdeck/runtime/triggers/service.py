"""Triggers: what the rest of the runtime calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.bus import Bus
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.starting import Starter
from quarterdeck.v1 import runs_pb2


@dataclass(frozen=True, slots=True)
class Fired:
    """The runs that a firing started or found, or why it started none."""

    runs: list[str] = field(default_factory=list)
    skipped: str = ""


class Triggers:
    """Starts runs: by the clock, by hand, from routes, webhooks and events."""

    def __init__(self, engine: Engine, starter: Starter, bus: Bus, tenants: TenantDirectory) -> None:
        self._engine = engine
        self._starter = starter
        self._bus = bus
        self._tenants = tenants

    async def fire(
        self,
        tenant: TenantId,
        name: str,
        payload: Any,
        fire_id: str,
        backfill_from: str = "",
        backfill_to: str = "",
    ) -> Fired:
        """Fires a trigger."""
        raise Unavailable("triggers are not served yet")

    async def state(self, tenant: TenantId, name: str) -> runs_pb2.TriggerState:
        """Returns a trigger's state."""
        raise Unavailable("triggers are not served yet")

    async def publish(self, tenant: TenantId, type: str, data: Any, event_id: str, source: str) -> int:
        """Puts an event on the bus."""
        raise Unavailable("triggers are not served yet")

    async def on_object(self, watched: Watched, deleted: bool) -> None:
        """Learns of a change of a Trigger."""

    async def start(self) -> None:
        """Starts."""

    async def stop(self) -> None:
        """Stops."""
