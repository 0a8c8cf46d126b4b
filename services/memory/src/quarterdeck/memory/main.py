"""Wires the memory service and serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from quarterdeck.common.rpc_server import RpcServer
from quarterdeck.common.service import Platform, Service
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher
from quarterdeck.memory import store
from quarterdeck.memory.cache import FirstLevelCache, QueryCache
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.config import MemorySettings
from quarterdeck.memory.constants import RECOUNT_INTERVAL, RETRY_INTERVAL
from quarterdeck.memory.controller import KIND, Controller
from quarterdeck.memory.embedding.cache import CachedEmbedding
from quarterdeck.memory.engine.choice import open_engine
from quarterdeck.memory.engine.interface import VectorEngine
from quarterdeck.memory.housekeeping import every
from quarterdeck.memory.items import Items
from quarterdeck.memory.recounting import Recounter
from quarterdeck.memory.search import Search
from quarterdeck.memory.server import MemoryServicer
from quarterdeck.memory.sweeper import Sweeper
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc

MIGRATIONS = "quarterdeck.memory.migrations"


class MemoryService:
    """The running service. See `quarterdeck.common.service.Service`."""

    name = "memory"

    def __init__(
        self, platform: Platform, settings: MemorySettings, engine: VectorEngine, catalog: Catalog
    ) -> None:
        self._platform = platform
        self._settings = settings
        self._engine = engine
        cache = FirstLevelCache(platform.cache)
        answers = QueryCache(cache, platform.telemetry.registry)
        self._controller = Controller(platform, catalog, answers.know)
        self._recounter = Recounter(catalog, self._controller, platform.telemetry)
        self._sweeper = Sweeper(catalog, platform.clock, platform.telemetry)
        self._watcher = ObjectWatcher(
            platform, catalog.database, store.watched_objects, [KIND], self._controller.on_object
        )
        self._server = _server(platform, catalog, cache, answers)
        self._housekeeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Serves what there was at once, then follows the registry."""
        await self._watcher.start()
        await self._server.start()
        self._housekeeping = [
            self._every(self._settings.sweep_interval, self._sweeper.sweep, "sweep"),
            self._every(RETRY_INTERVAL, self._controller.retry, "retry"),
            self._every(RECOUNT_INTERVAL, self._recounter.recount, "recount"),
        ]

    async def stop(self, grace: float) -> None:
        """Lets calls end, then the engine's processes."""
        await self._server.stop(grace)
        for task in self._housekeeping:
            task.cancel()
        await asyncio.gather(*self._housekeeping, return_exceptions=True)
        await self._engine.close()

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]], name: str) -> asyncio.Task[None]:
        platform = self._platform
        again = every(seconds, work, name, clock=platform.clock, log=platform.telemetry.log)
        return platform.spawn(again, name)


async def build(platform: Platform) -> Service:
    """Opens the service's database and engine.

    Raises:
        Unavailable: the database or the engine's directory cannot be used; the message says why.
    """
    settings = MemorySettings()
    database = await platform.open_database(store.metadata, MIGRATIONS)
    engine = await open_engine(settings, platform.settings.data_dir.absolute())
    platform.checks["vectors"] = engine.check
    catalog = Catalog(database, engine, outbound=platform.settings.outbound())
    return MemoryService(platform, settings, engine, catalog)


def _server(platform: Platform, catalog: Catalog, cache: FirstLevelCache, answers: QueryCache) -> RpcServer:
    embedding = CachedEmbedding(cache)
    items = Items(catalog, embedding, platform.clock)
    search = Search(catalog, embedding, answers, platform.clock)
    tenants = TenantDirectory(platform.peer("registry"))
    server = platform.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    servicer = MemoryServicer(tenants, catalog, items, search)
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(servicer, server.grpc)
    return server
