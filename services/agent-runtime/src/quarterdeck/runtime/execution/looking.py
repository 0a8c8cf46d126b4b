"""Wakes runs that are parked for want of something live, as soon as it is there.

Parked steps look again by themselves, less and less often; this is what makes them quick.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from quarterdeck.common.database import within
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.constants import LOOK
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.tables import TIMERS

# What an effect may find missing.
KINDS = ("MCPServer", "MemoryCollection", "ModelRoute")


class Lookout:
    """Has the parked runs of a tenant look again when something they may wait for has become ready."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def on_object(self, watched: Watched, deleted: bool) -> None:
        """See `ObjectWatcher`'s listener."""
        if deleted or watched.kind not in KINDS or not is_ready(watched):
            return
        now = self._engine.clock.now()
        if await self._engine.database.write(look_now, watched.tenant_id, now):
            self._engine.timers_changed.set()


def is_ready(watched: Watched) -> bool:
    """Returns what the object's own condition says."""
    conditions = (watched.object.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def look_now(connection: Connection, tenant_id: str, now: float) -> int:
    """Makes every later look of the tenant's parked runs due; returns how many there were."""
    within(connection, tenant_id)
    t = TIMERS.c
    later = (t.tenant_id == tenant_id) & (t.due > now) & t.timer.startswith(LOOK, autoescape=True)
    return connection.execute(update(TIMERS).where(later).values(due=now)).rowcount
