"""Wires mcp-manager and serves it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.service import Platform, Service
from quarterdeck.common.settings import make_private_directory
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher
from quarterdeck.mcp import incarnation, store
from quarterdeck.mcp.calls import Calls
from quarterdeck.mcp.cluster.told import TENANT_KIND, namespace_of, trouble_of
from quarterdeck.mcp.config import McpSettings
from quarterdeck.mcp.connector import SessionMaker
from quarterdeck.mcp.constants import CLEAR_PERIOD
from quarterdeck.mcp.controller import KINDS, SERVER_KIND, Controller, StatusReporter, StoredPins
from quarterdeck.mcp.execution import Executor
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.readiness import Readiness
from quarterdeck.mcp.records import Records
from quarterdeck.mcp.result_cache import ResultCache
from quarterdeck.mcp.server import ToolServicer
from quarterdeck.mcp.servers import Servers
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

if TYPE_CHECKING:
    from quarterdeck.mcp.cluster.door import Door
    from quarterdeck.mcp.cluster.listings import Listings
    from quarterdeck.mcp.cluster.replicas import KubeReplicas
    from quarterdeck.mcp.cluster.sleeper import Sleeper

NAME = "mcp-manager"
MIGRATIONS = "quarterdeck.mcp.migrations"
# Of the time for draining, what ending the servers may take.
_STOP_SHARE = 5.0


class McpManager:
    """The running service. See `quarterdeck.common.service.Service`."""

    name = NAME

    def __init__(
        self, platform: Platform, settings: McpSettings, locks: Path, replicas: KubeReplicas | None = None
    ) -> None:
        assert platform.database is not None
        self._platform = platform
        self._settings = settings
        self._database = platform.database
        self._offload = Offload(locks)
        log = platform.telemetry.log
        self._reporter = StatusReporter(platform.peer("registry"), log)
        door = None if replicas is None else self._door(replicas)
        maker = SessionMaker(locks, log, door=door, outbound=platform.settings.outbound())
        listings = None if door is None else self._listings()
        pins = StoredPins(self._database)
        self._servers = Servers(maker, self._offload, pins, self._reporter.note, listings)
        records = Records(self._database, platform.clock, log)
        cache = ResultCache(platform.cache, platform.telemetry.registry)
        executor = Executor(self._servers, records, platform.artifacts, self._offload, platform.clock, cache)
        self._calls = Calls(executor, records, platform.telemetry)
        self._controller = Controller(self._servers, self._database, log, in_cluster=door is not None)
        self._watcher = ObjectWatcher(
            platform,
            self._database,
            store.watched_objects,
            KINDS if door is None else (*KINDS, TENANT_KIND),
            self._controller.on_object,
        )
        self._sleeper = None if replicas is None else self._new_sleeper(replicas)
        self._readiness = Readiness(self._watcher, settings.sync_timeout)
        self._server = platform.rpc_server(tools_pb2.DESCRIPTOR.services_by_name["ToolService"])
        tenants = TenantDirectory(platform.peer("registry"))
        servicer = ToolServicer(tenants, self._servers, self._calls, self._readiness, locks)
        tools_pb2_grpc.add_ToolServiceServicer_to_server(servicer, self._server.grpc)

    async def start(self) -> None:
        """Follows the registry, listens."""
        await self._watcher.start()
        if self._controller.seen:
            self._readiness.trust_copies()
        await self._server.start()
        self._platform.spawn(self._reporter.run(), "report-status")
        self._platform.spawn(self._clear(), "clear-outcomes")
        if self._sleeper is not None:
            self._platform.spawn(self._sleeper.run(), "let-sleep")

    async def stop(self, grace: float) -> None:
        """Lets calls under way end and keeps their outcomes, then ends the servers."""
        await self._calls.drain(max(grace - _STOP_SHARE, 0.0))
        await self._server.stop(min(grace, _STOP_SHARE))
        await self._servers.close(0.0)
        # What was cut off just now still has its outcome to record.
        await self._calls.drain(_STOP_SHARE)
        await self._offload.close()

    def _listings(self) -> Listings:
        from quarterdeck.mcp.cluster.listings import Listings

        return Listings(self._database, self._platform.telemetry.log)

    def _door(self, replicas: KubeReplicas) -> Door:
        from quarterdeck.mcp.cluster.door import Door
        from quarterdeck.mcp.cluster.naming import own_domain

        return Door(self._namespace, self._trouble, replicas, domain=own_domain())

    def _new_sleeper(self, replicas: KubeReplicas) -> Sleeper:
        from quarterdeck.mcp.cluster.sleeper import Sleeper

        log, period = self._platform.telemetry.log, self._settings.sleep_period
        return Sleeper(
            self._servers, self._database, replicas, self._namespace, self._platform.clock, log, period
        )

    def _namespace(self, tenant: str) -> str:
        """Returns where a tenant's pods are; empty while that is not known."""
        return namespace_of(self._watcher.get("", TENANT_KIND, tenant))

    def _trouble(self, tenant: str, server: str) -> str:
        """Returns what the controller of pods says of a server that does not answer."""
        return trouble_of(self._watcher.get(tenant, SERVER_KIND, server))

    async def _clear(self) -> None:
        while True:
            before = self._platform.clock.now() - self._settings.keep_outcomes
            try:
                await self._database.write(store.forget_finished, before)
            except QuarterdeckError as error:
                self._platform.telemetry.log.warning("outcomes.not_cleared", reason=error.message)
            await asyncio.sleep(CLEAR_PERIOD)


async def build(platform: Platform) -> Service:
    """Opens the database and wires the service. Raises Unavailable if the database cannot be used."""
    await platform.open_database(store.metadata, MIGRATIONS)
    locks = platform.settings.data_dir.absolute() / "tool-servers"
    make_private_directory(locks)
    incarnation.sweep(locks)
    settings = McpSettings()
    return McpManager(platform, settings, locks, await _replicas(platform) if settings.pods else None)


async def _replicas(platform: Platform) -> KubeReplicas:
    # Imported where there is a cluster: a laptop's cold start does without.
    from quarterdeck.controller.opening import open_client
    from quarterdeck.mcp.cluster.replicas import KubeReplicas

    return KubeReplicas(await open_client("quarterdeck-mcp-manager", platform.closing))
