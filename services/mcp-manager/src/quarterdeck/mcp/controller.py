"""Follows MCPServer and policy objects, and reports how the servers are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from quarterdeck.common import codec
from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.rpc_client import Peer
from quarterdeck.common.watching import Watched
from quarterdeck.mcp import store
from quarterdeck.mcp.definition import Definition, Pods, read_definition
from quarterdeck.mcp.rules import read_rules, unreadable
from quarterdeck.mcp.servers import Servers
from quarterdeck.mcp.status import status_of
from quarterdeck.mcp.toolserver import ToolServer
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

SERVER_KIND, POLICY_KINDS = "MCPServer", ("Policy", "PlatformPolicy")
KINDS = (SERVER_KIND, *POLICY_KINDS)
# Changes of one server within so many seconds make one report.
_SETTLE = 0.05
_RETRY = 2.0


class StoredPins:
    """The pins of first use, in the service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, definition: Definition, pins: Mapping[str, str]) -> dict[str, str]:
        """See `toolserver.Pins`."""
        of = (definition.tenant_id, definition.name)
        await self._database.write(store.add_pins, *of, dict(pins))
        return await self._database.read(store.read_pins, *of)


class Controller:
    """Makes servers and rules be what the objects say. `on_object` is an `ObjectWatcher`'s listener."""

    def __init__(self, servers: Servers, database: Database, log: Any, *, in_cluster: bool = False) -> None:
        self._in_cluster = in_cluster
        self._servers = servers
        self._database = database
        self._log = log
        self.seen = 0
        """Objects taken so far."""

    async def on_object(self, watched: Watched, deleted: bool) -> None:
        """Takes one change. Never raises: an object that cannot be read is logged."""
        self.seen += 1
        try:
            if watched.kind == SERVER_KIND:
                await self._on_server(watched, deleted)
            elif watched.kind in POLICY_KINDS:
                self._on_policy(watched, deleted)
        except Exception:
            self._log.exception("object.failed", kind=watched.kind, name=watched.name)

    async def _on_server(self, watched: Watched, deleted: bool) -> None:
        if deleted:
            await self._database.write(store.forget_server, watched.tenant_id, watched.name)
            await self._servers.remove(watched.tenant, watched.name)
        else:
            await self._servers.put(read_definition(watched, in_cluster=self._in_cluster))

    def _on_policy(self, watched: Watched, deleted: bool) -> None:
        # The platform's policies belong to no tenant, whatever the event says.
        tenant = watched.tenant if watched.kind == "Policy" else ""
        if deleted:
            self._servers.remove_rules(tenant, watched.kind, watched.name)
            return
        try:
            rules = read_rules(watched)
        except ValidationError as error:
            rules = unreadable(watched, f"{error.error_count()} fields are wrong")
        self._servers.put_rules(tenant, watched.kind, watched.name, rules)


class StatusReporter:
    """Writes the servers' status to the registry, each at most every `_SETTLE` seconds."""

    def __init__(self, registry: Peer, log: Any) -> None:
        self._registry = registry
        self._stub = registry.stub(resources_pb2_grpc.RegistryServiceStub)
        self._log = log
        self._changed: dict[tuple[str, str], ToolServer] = {}
        self._written: dict[tuple[str, str], tuple[str, int, dict[str, Any]]] = {}
        self._wake = asyncio.Event()

    def note(self, server: ToolServer) -> None:
        """Notes that a server's state may have changed."""
        self._changed[server.definition.tenant, server.definition.name] = server
        self._wake.set()

    async def run(self) -> None:
        """Reports until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_SETTLE)
            self._wake.clear()
            changed, self._changed = self._changed, {}
            left = {key: server for key, server in changed.items() if not await self._report(key, server)}
            if left:
                self._changed = {**left, **self._changed}
                await asyncio.sleep(_RETRY)
                self._wake.set()

    async def _report(self, key: tuple[str, str], server: ToolServer) -> bool:
        """Writes one status if it says anything new; False if the registry did not take it."""
        definition, status = (
            server.definition,
            status_of(server.state(), of_pods=isinstance(server.definition.where, Pods)),
        )
        report = (definition.uid, definition.generation, status)
        if self._written.get(key) == report:
            return True
        request = resources_pb2.UpdateStatusRequest(
            tenant=key[0],
            kind=SERVER_KIND,
            name=key[1],
            status_json=codec.dumps(status),
            observed_generation=definition.generation,
        )
        try:
            await self._registry.call(self._stub.UpdateStatus, request)
        except QuarterdeckError as error:
            self._log.info("status.not_written", name=key[1], reason=error.message)
            return error.reason == "NotFound"
        self._written[key] = report
        return True
