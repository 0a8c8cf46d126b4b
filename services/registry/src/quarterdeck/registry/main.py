"""Wires the registry and serves it."""

from __future__ import annotations

import asyncio
import importlib

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.service import Platform
from quarterdeck.controller.loop import Controller
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import bootstrap, history, revisions
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.reconciler import Reconciler
from quarterdeck.registry.records import Key
from quarterdeck.registry.server import RegistryServicer
from quarterdeck.registry.tables import METADATA
from quarterdeck.registry.world import World
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

NAME = "registry"
MIGRATIONS = "quarterdeck.registry.migrations"
DAY = 86400.0
# Revisions that one transaction removes.
REVISIONS_AT_ONCE = 500


class Registry:
    """The running registry."""

    name = NAME

    def __init__(self, platform: Platform, feed: Feed, settings: RegistrySettings) -> None:
        assert platform.database is not None
        self._platform = platform
        self._database = platform.database
        self._feed = feed
        self._settings = settings
        metrics = ControllerMetrics(platform.telemetry.registry)
        self._queue: WorkQueue[Key] = WorkQueue("objects", metrics)
        world = World(feed.mirror)
        self._reconciler = Reconciler(feed, world, self._queue, platform.clock)
        self._controller = Controller(
            "objects",
            self._queue,
            self._reconciler.reconcile,
            metrics=metrics,
            log=platform.telemetry.log,
            workers=settings.workers,
        )
        self._server = platform.rpc_server(resources_pb2.DESCRIPTOR.services_by_name["RegistryService"])
        self._following = Following(self._database, feed, platform.telemetry.log)
        servicer = RegistryServicer(self._database, feed, self._following, world, platform.clock, settings)
        resources_pb2_grpc.add_RegistryServiceServicer_to_server(servicer, self._server.grpc)

    async def start(self) -> None:
        """Loads the objects, listens, then looks at every object once."""
        await self._feed.load()
        # The kinds take a tenth of a second to import: not on the event loop, and not in the first request.
        await asyncio.to_thread(importlib.import_module, "quarterdeck.resources.references")
        self._reconciler.start()
        await self._server.start()
        self._platform.spawn(self._controller.run(), "reconcile")
        self._platform.spawn(self._following.run(self._settings.follow_period), "follow")
        self._platform.spawn(self._trim(), "trim-history")
        self._platform.spawn(self._collect(), "collect-revisions")

    async def stop(self, grace: float) -> None:
        """Ends watches, lets calls in flight end."""
        self._queue.close()
        closing = asyncio.create_task(self._feed.close())
        await self._server.stop(grace)
        await closing

    async def _trim(self) -> None:
        settings, clock = self._settings, self._platform.clock
        while True:
            await asyncio.sleep(settings.trim_period)
            since = clock.now() - settings.history_seconds
            try:
                await self._database.write(history.trim, settings.history_changes, since)
            except QuarterdeckError as error:
                # A full disk now is no reason to stop clearing for good.
                self._platform.telemetry.log.warning("history.not-trimmed", error=error.message)

    async def _collect(self) -> None:
        while self._settings.revision_days:
            await asyncio.sleep(self._settings.collect_period)
            try:
                await self.collect_revisions()
            except QuarterdeckError as error:
                self._platform.telemetry.log.warning("revisions.not-collected", error=error.message)

    async def collect_revisions(self) -> int:
        """Removes the revisions that have not been in force for long; returns how many."""
        settings = self._settings
        before = self._platform.clock.now() - settings.revision_days * DAY
        removed = 0
        while True:
            page = await self._database.write(
                revisions.collect, before, settings.revision_keep, REVISIONS_AT_ONCE
            )
            removed += page
            if page < REVISIONS_AT_ONCE:
                return removed


async def build(platform: Platform) -> Registry:
    """Opens the database and wires the service. Raises Unavailable if the database cannot be used."""
    settings = RegistrySettings()
    database = await platform.open_database(METADATA, MIGRATIONS)
    await database.write(bootstrap.first_start, platform.clock.now())
    return Registry(platform, Feed(database, Mirror()), settings)
