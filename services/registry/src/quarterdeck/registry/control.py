"""Wires the registry's controller in a cluster: its replicas follow the API server, and one of them acts."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket

from quarterdeck.common.database import Database
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.service import Platform
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.leading.leader import Leader, LeadershipLost
from quarterdeck.controller.loop import Controller
from quarterdeck.controller.metrics import ControllerMetrics, InformerMetrics
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.controller.opening import open_leader
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.controller.writing.events import EventRecorder
from quarterdeck.registry import history
from quarterdeck.registry.background import Background
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.kube.outdated import Definitions
from quarterdeck.registry.kube.places import Place, resources
from quarterdeck.registry.kube.projector import Projector
from quarterdeck.registry.kube.saying import Speaker
from quarterdeck.registry.kube.status_writer import StatusWriter
from quarterdeck.registry.kube.tenants.controller import TenantController
from quarterdeck.registry.kube.tenants.provisioner import LABELLED
from quarterdeck.registry.kube.territory import Territory
from quarterdeck.registry.main import MIGRATIONS
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.tables import METADATA
from quarterdeck.registry.world import World

NAME = "registry-controller"


class RegistryController:
    """The running controller: three loops over what the API server has and what our tables have."""

    name = NAME

    def __init__(
        self,
        platform: Platform,
        database: Database,
        client: Client,
        leader: Leader,
        settings: RegistrySettings,
    ) -> None:
        log, metrics = platform.telemetry.log, ControllerMetrics(platform.telemetry.registry)
        self.leader = leader
        self._platform = platform
        self._settings = settings
        self.feed = Feed(database, Mirror())
        self._following = Following(database, self.feed, log)
        world = World(self.feed.mirror)
        self._background = Background(platform, self.feed, world, settings, metrics, in_cluster=True)
        kinds = resources()
        self._informers = Informers(client, log=log, metrics=InformerMetrics(platform.telemetry.registry))
        informers = {kind: self._informers.of(found) for kind, found in kinds.items()}
        self._territory = Territory(
            self.feed.mirror, self._informers.of(NAMESPACES, LABELLED), settings.lease_namespace
        )
        self._projecting: WorkQueue[Place] = WorkQueue("projection", metrics)
        self._saying: WorkQueue[Place] = WorkQueue("status", metrics)
        fenced = leader.fenced(client)
        self._events = EventRecorder(fenced, NAME, log=log, instance=socket.gethostname())
        speaker = Speaker(fenced, self._events)
        self._projector = Projector(
            speaker,
            informers,
            self.feed,
            world,
            self._background.reconciler,
            self._territory,
            self._projecting,
            platform.clock,
        )
        self._tenants = TenantController(
            fenced, kinds, self._informers, self.feed, platform.clock, settings, metrics, log
        )
        self._writer = StatusWriter(speaker, informers, self.feed, self._territory, self._saying)
        self._controllers = [
            Controller(queue.name, queue, reconcile, metrics=metrics, log=log, workers=settings.workers)
            for queue, reconcile in (
                (self._projecting, self._projector.reconcile),
                (self._saying, self._writer.reconcile),
            )
        ]

        self._definitions = Definitions(client, log)
        platform.checks["caches"] = self._check
        platform.checks["crds"] = self._definitions.check

    async def start(self) -> None:
        """Follows the API server and our tables; keeps each true to the other while it leads."""
        await self.feed.load()
        await asyncio.to_thread(importlib.import_module, "quarterdeck.resources.references")
        for informer in self._informers.all():
            self._platform.spawn(informer.run(), f"follow-{informer.resource}")
        self._platform.spawn(self._following.run(self._settings.follow_period), "follow")
        self._platform.spawn(self._definitions.run(), "examine-crds")
        self._leading = self._platform.spawn(self._run(), "lead")

    async def _check(self) -> None:
        """Raises Unavailable, by name, while a cache has not been filled: no CRD, no permission."""
        empty = [each for each in self._informers.all() if not each.synced]
        if empty:
            raise Unavailable("; ".join(each.trouble or f"{each.resource}: not listed yet" for each in empty))

    async def _run(self) -> None:
        try:
            await self.leader.run(self._lead)
        except LeadershipLost:
            # What this process remembers may be wrong by now: let another one begin.
            os.kill(os.getpid(), signal.SIGTERM)

    async def _lead(self) -> None:
        await self._following.fresh()
        # Or objects of tenants would be told that they belong to nobody.
        await self._territory.known()
        self._projector.start()
        self._tenants.start()
        self._writer.start()
        self._background.start()
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run(), name=controller.name)
            group.create_task(self._tenants.run(), name="tenants")
            group.create_task(self._events.run(), name="events")
            group.create_task(self._projector.look_for_the_gone(), name="look-for-the-gone")

    async def stop(self, grace: float) -> None:
        """Begins nothing more, lets a write under way end, and gives the lease back."""
        self._background.close()
        self._projecting.close()
        self._saying.close()
        self._leading.cancel()
        await asyncio.wait({self._leading}, timeout=grace)
        await self.feed.close()


async def build(platform: Platform) -> RegistryController:
    """Opens the database, finds the cluster and wires the controller."""
    settings = RegistrySettings()
    database = await platform.open_database(METADATA, MIGRATIONS)
    await database.write(history.prepare)
    client, leader = await open_leader(
        f"quarterdeck-{NAME}",
        ObjectKey(settings.lease_namespace, NAME),
        platform.closing,
        registry=platform.telemetry.registry,
        log=platform.telemetry.log,
    )
    return RegistryController(platform, database, client, leader, settings)
