"""Lets tool servers sleep that nobody has used for a while, by way of whichever replica of the manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.controller.api.errors import ApiError
from quarterdeck.mcp.cluster import uses
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.pods.names import object_name
from quarterdeck.mcp.servers import Servers
from quarterdeck.mcp.toolserver import ToolServer

# Seconds between two looks. What a replica has seen is known to the others after one look.
PERIOD = 5.0
_LOOKS_AT_LEAST = 3


class Replicas(Protocol):
    """What the cluster does about the pods of a server."""

    async def sleep(self, namespace: str, name: str) -> None:
        """Asks for no pod at all. Raises ApiError."""


def is_idle(used_at: float, idle_after: float, period: float, now: float) -> bool:
    """True if a server may sleep: nobody can have used it since without our knowing. Pure."""
    return now - used_at > max(idle_after, _LOOKS_AT_LEAST * period)


class Sleeper:
    """See the module.

    Args:
        namespace: tells the namespace of a tenant; empty while it is not known.
    """

    def __init__(
        self,
        servers: Servers,
        database: Database,
        replicas: Replicas,
        namespace: Callable[[str], str],
        clock: Clock,
        log: Any,
        period: float = PERIOD,
    ) -> None:
        self._servers = servers
        self._database = database
        self._replicas = replicas
        self._namespace = namespace
        self._clock = clock
        self._log = log
        self._period = period
        self._noted: dict[tuple[str, str], float] = {}
        self._asleep: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Looks again and again until it is cancelled."""
        while True:
            await asyncio.sleep(self._period)
            for server in self._servers.all():
                await self._look_at(server)

    async def _look_at(self, server: ToolServer) -> None:
        definition = server.definition
        if not isinstance(definition.where, Pods) or not definition.where.idle_after:
            return
        try:
            await self._look(server, definition.where, (definition.tenant_id, definition.name))
        except (ApiError, QuarterdeckError) as error:
            self._log.info("server.not_put_to_sleep", server=definition.name, reason=str(error))

    async def _look(self, server: ToolServer, pods: Pods, key: tuple[str, str]) -> None:
        now = self._clock.now()
        used_at = now if server.busy else self._clock.now() - server.unused_for()
        if used_at - self._noted.get(key, 0.0) > self._period / 2:
            await self._database.write(uses.note, *key, used_at)
            self._noted[key] = used_at
        last = await self._database.read(uses.last, *key)
        # Once asleep, it is asked about again only after somebody has used it.
        if last is None or self._asleep.get(key) == last:
            return
        # A call may have begun while the database was asked.
        if is_idle(last, pods.idle_after, self._period, now) and not server.busy:
            # Or the next call would first find out that its pod is gone, which takes seconds.
            server.rest()
            await self._replicas.sleep(self._namespace(server.definition.tenant), object_name(pods.server))
            self._asleep[key] = last
            self._log.info("server.asleep", tenant=server.definition.tenant, server=pods.server)
