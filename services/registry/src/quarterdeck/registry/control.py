"""Wires the registry's controller in a cluster: it follows the API server, and one of its replicas acts."""

from __future__ import annotations

import asyncio
import importlib

from quarterdeck.common.database import Database
from quarterdeck.common.service import Platform
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.loop import Controller
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import history
from quarterdeck.registry.background import Background
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.kube.access import open_client
from quarterdeck.registry.kube.places import Place, resources
from quarterdeck.registry.kube.projector import Projector
from quarterdeck.registry.kube.status_writer import StatusWriter
from quarterdeck.registry.main import MIGRATIONS
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.tables import METADATA
from quarterdeck.registry.world import World

NAME = "registry-controller"


class RegistryController:
    """The running controller: three loops over what the API server has and what our tables have."""

    name = NAME

    def __init__(
        self, platform: Platform, database: Database, client: Client, settings: RegistrySettings
    ) -> None:
        log, metrics = platform.telemetry.log, ControllerMetrics(platform.telemetry.registry)
        self._platform = platform
        self._settings = settings
        self.feed = Feed(database, Mirror())
        self._following = Following(database, self.feed, log)
        world = World(self.feed.mirror)
        self._background = Background(platform, self.feed, world, settings, metrics)
        informers = {kind: Informer(client, found, log=log) for kind, found in resources().items()}
        self._informers = informers
        self._projecting: WorkQueue[Place] = WorkQueue("projection", metrics)
        self._saying: WorkQueue[Place] = WorkQueue("status", metrics)
        self._projector = Projector(client, informers, self.feed, world, self._projecting, platform.clock)
        self._writer = StatusWriter(client, informers, self.feed, self._saying)
        self._controllers = [
            Controller(queue.name, queue, reconcile, metrics=metrics, log=log, workers=settings.workers)
            for queue, reconcile in (
                (self._projecting, self._projector.reconcile),
                (self._saying, self._writer.reconcile),
            )
        ]

    async def start(self) -> None:
        """Follows the API server and our tables, and keeps each true to the other."""
        await self.feed.load()
        await asyncio.to_thread(importlib.import_module, "quarterdeck.resources.references")
        for kind, informer in self._informers.items():
            self._platform.spawn(informer.run(), f"follow-{kind}")
        self._platform.spawn(self._following.run(self._settings.follow_period), "follow")
        self._projector.start()
        self._writer.start()
        self._background.start()
        for controller in self._controllers:
            self._platform.spawn(controller.run(), controller.name)
        self._platform.spawn(self._projector.look_for_the_gone(), "look-for-the-gone")

    async def stop(self, grace: float) -> None:
        """Begins nothing more; a write under way ends."""
        self._background.close()
        self._projecting.close()
        self._saying.close()
        await self.feed.close()


async def build(platform: Platform) -> RegistryController:
    """Opens the database, finds the cluster and wires the controller."""
    settings = RegistrySettings()
    database = await platform.open_database(METADATA, MIGRATIONS)
    await database.write(history.prepare)
    return RegistryController(platform, database, await open_client(platform), settings)
