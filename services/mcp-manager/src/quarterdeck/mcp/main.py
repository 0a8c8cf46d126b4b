"""Wires mcp-manager and serves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.service import Platform, Service
from quarterdeck.common.settings import make_private_directory
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher
from quarterdeck.mcp import incarnation, store
from quarterdeck.mcp.calls import Calls
from quarterdeck.mcp.config import McpSettings
from quarterdeck.mcp.connector import SessionMaker
from quarterdeck.mcp.constants import CLEAR_PERIOD
from quarterdeck.mcp.controller import KINDS, Controller, StatusReporter, StoredPins
from quarterdeck.mcp.execution import Executor
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.readiness import Readiness
from quarterdeck.mcp.records import Records
from quarterdeck.mcp.result_cache import ResultCache
from quarterdeck.mcp.server import ToolServicer
from quarterdeck.mcp.servers import Servers
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

NAME = "mcp-manager"
MIGRATIONS = "quarterdeck.mcp.migrations"
# Of the time for draining, what ending the servers may take.
_STOP_SHARE = 5.0


class McpManager:
    """The running service. See `quarterdeck.common.service.Service`."""

    name = NAME

    def __init__(self, platform: Platform, settings: McpSettings, locks: Path) -> None:
        assert platform.database is not None
        self._platform = platform
        self._settings = settings
        self._database = platform.database
        self._offload = Offload(locks)
        log = platform.telemetry.log
        self._reporter = StatusReporter(platform.peer("registry"), log)
        maker = SessionMaker(locks, log)
        self._servers = Servers(maker, self._offload, StoredPins(self._database), self._reporter.note)
        records = Records(self._database, platform.clock, log)
        cache = ResultCache(platform.cache, platform.telemetry.registry)
        executor = Executor(self._servers, records, platform.artifacts, self._offload, platform.clock, cache)
        self._calls = Calls(executor, records, platform.telemetry)
        self._controller = Controller(self._servers, self._database, log)
        self._watcher = ObjectWatcher(
            platform, self._database, store.watched_objects, KINDS, self._controller.on_object
        )
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

    async def stop(self, grace: float) -> None:
        """Lets calls under way end and keeps their outcomes, then ends the servers."""
        await self._calls.drain(max(grace - _STOP_SHARE, 0.0))
        await self._server.stop(min(grace, _STOP_SHARE))
        await self._servers.close(0.0)
        # What was cut off just now still has its outcome to record.
        await self._calls.drain(_STOP_SHARE)
        await self._offload.close()

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
    return McpManager(platform, McpSettings(), locks)
