"""Wires the registry and serves it. Its controller for a cluster is wired in `control`."""

from __future__ import annotations

import asyncio
import importlib

from quarterdeck.common.database import Database
from quarterdeck.common.service import Platform
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.registry import bootstrap
from quarterdeck.registry.background import Background
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.server import RegistryServicer
from quarterdeck.registry.tables import METADATA
from quarterdeck.registry.world import World
from quarterdeck.registry.writes import TableWrites, Writes
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

NAME = "registry"
MIGRATIONS = "quarterdeck.registry.migrations"


class Registry:
    """The running registry.

    Args:
        background: None where a controller of its own does that work.
    """

    name = NAME

    def __init__(
        self,
        platform: Platform,
        database: Database,
        feed: Feed,
        following: Following,
        writing: Writes,
        world: World,
        settings: RegistrySettings,
        background: Background | None,
    ) -> None:
        self._platform = platform
        self._feed = feed
        self._following = following
        self._settings = settings
        self.background = background
        self._server = platform.rpc_server(resources_pb2.DESCRIPTOR.services_by_name["RegistryService"])
        servicer = RegistryServicer(database, feed, following, writing, world, platform.clock, settings)
        resources_pb2_grpc.add_RegistryServiceServicer_to_server(servicer, self._server.grpc)

    async def start(self) -> None:
        """Loads the objects, listens, then looks at every object once."""
        await self._feed.load()
        # The kinds take a tenth of a second to import: not on the event loop, and not in the first request.
        await asyncio.to_thread(importlib.import_module, "quarterdeck.resources.references")
        await self._server.start()
        if self.background is not None:
            self.background.start()
        self._platform.spawn(self._following.run(self._settings.follow_period), "follow")

    async def stop(self, grace: float) -> None:
        """Ends watches, lets calls in flight end."""
        if self.background is not None:
            self.background.close()
        closing = asyncio.create_task(self._feed.close())
        await self._server.stop(grace)
        await closing


async def build(platform: Platform) -> Registry:
    """Opens the database and wires the service. Raises Unavailable if the database cannot be used."""
    settings = RegistrySettings()
    database = await platform.open_database(METADATA, MIGRATIONS)
    feed = Feed(database, Mirror())
    following = Following(database, feed, platform.telemetry.log)
    world = World(feed.mirror)
    if settings.objects == "kubernetes":
        writing = await _cluster_writes(platform, database, feed, following)
        return Registry(platform, database, feed, following, writing, world, settings, None)
    await database.write(bootstrap.first_start, platform.clock.now())
    background = Background(platform, feed, world, settings, ControllerMetrics(platform.telemetry.registry))
    tables = TableWrites(feed, platform.clock)
    return Registry(platform, database, feed, following, tables, world, settings, background)


async def _cluster_writes(platform: Platform, database: Database, feed: Feed, following: Following) -> Writes:
    # Imported where there is a cluster: a laptop's cold start does without.
    from quarterdeck.controller.opening import open_client
    from quarterdeck.registry import history
    from quarterdeck.registry.kube.places import resources
    from quarterdeck.registry.kube.writing import KubeWrites

    await database.write(history.prepare)
    client = await open_client("quarterdeck-registry", platform.closing)
    return KubeWrites(client, resources(), feed, following, platform.clock)
