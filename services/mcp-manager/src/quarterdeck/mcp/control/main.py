"""Wires the controller of MCPServers: its replicas follow the API server, and one of them acts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.service import Platform
from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.leading.leader import Leader, LeadershipLost
from quarterdeck.controller.metrics import ControllerMetrics, InformerMetrics
from quarterdeck.controller.objects import ObjectKey, key_of
from quarterdeck.controller.opening import open_leader
from quarterdeck.controller.running.object_controller import ObjectController
from quarterdeck.controller.running.process import ControllerProcess, NotSynced
from quarterdeck.controller.running.sources import For, Owns, Watches
from quarterdeck.controller.writing.events import EventRecorder
from quarterdeck.mcp.control import reading
from quarterdeck.mcp.control.config import ControllerSettings
from quarterdeck.mcp.control.keeper import Caches, Keeper
from quarterdeck.mcp.control.kinds import MCP_SERVERS, OWNED, PODS, SERVICES, TENANTS
from quarterdeck.mcp.pods.names import MANAGED_BY, MANAGER, SERVER

NAME = "mcp-controller"
PAUSED = "quarterdeck.dev/paused"
OURS = Scope(label_selector=f"{MANAGED_BY}={MANAGER}")
TOOL_PODS = Scope(label_selector=SERVER)
LABELLED = Scope(label_selector=reading.TENANT_LABEL)


class McpController:
    """The running controller. See `quarterdeck.common.service.Service`."""

    name = NAME

    def __init__(
        self, platform: Platform, client: Client, leader: Leader, settings: ControllerSettings
    ) -> None:
        log, registry = platform.telemetry.log, platform.telemetry.registry
        self.leader = leader
        self._platform = platform
        informers = Informers(client, log=log, metrics=InformerMetrics(registry))
        caches = _caches(informers)
        events = EventRecorder(client, NAME, log=log, instance=socket.gethostname())
        proxy = _proxy_scope(settings)
        proxies, service = informers.of(SERVICES, proxy).cache, _proxy_key(settings)
        self.keeper = Keeper(
            leader.fenced(client),
            caches,
            lambda: settings.pods(reading.address_of(proxies.get(service))),
            events,
            secret_period=settings.secret_period,
            log=log,
        )
        servers = informers.of(MCP_SERVERS).cache
        controller = ObjectController(
            NAME,
            self.keeper.reconcile,
            For(MCP_SERVERS),
            informers,
            owns=[Owns(resource, scope=OURS) for resource in OWNED],
            watches=[
                Watches(PODS, reading.server_key, scope=TOOL_PODS),
                Watches(TENANTS, lambda tenant: reading.servers_of(tenant, servers)),
                Watches(SERVICES, lambda _: reading.reaching_out(servers), scope=proxy),
                Watches(
                    NAMESPACES, lambda live: reading.servers_in(key_of(live).name, servers), scope=LABELLED
                ),
            ],
            paused_annotation=PAUSED,
            metrics=ControllerMetrics(registry),
            log=log,
            workers=settings.workers,
        )
        self._process = ControllerProcess(
            informers, [controller], leader=leader, log=log, beside=[events.run]
        )
        platform.checks["caches"] = self._check

    async def start(self) -> None:
        """Follows the API server, and acts while it leads."""
        self._running = self._platform.spawn(self._run(), "control")

    async def stop(self, grace: float) -> None:
        """Begins nothing more, and gives the lease back."""
        self._running.cancel()
        await asyncio.wait({self._running}, timeout=grace)

    async def _run(self) -> None:
        try:
            await self._process.run()
        except* (LeadershipLost, NotSynced) as why:
            # What this process remembers may be wrong by now, or is missing: let another one begin.
            self._platform.telemetry.log.error("controller.ends", reason=str(why.exceptions[0]))
            os.kill(os.getpid(), signal.SIGTERM)

    async def _check(self) -> None:
        """Raises Unavailable, by name, while a cache has not been filled: no CRD, no permission."""
        if missing := self._process.unready():
            raise Unavailable("; ".join(missing))


def _proxy_key(settings: ControllerSettings) -> ObjectKey:
    return ObjectKey(settings.manager_namespace, settings.proxy_service)


def _proxy_scope(settings: ControllerSettings) -> Scope:
    key = _proxy_key(settings)
    return Scope(namespace=key.namespace, field_selector=f"metadata.name={key.name}")


def _caches(informers: Informers) -> Caches:
    pods, tenants = informers.of(PODS, TOOL_PODS), informers.of(TENANTS)
    pods.cache.add_index(reading.BY_SERVER, reading.server_words)
    tenants.cache.add_index(reading.BY_HOME, reading.home)
    owned = {resource: informers.of(resource, OURS) for resource in OWNED}
    return Caches(owned, pods, tenants, informers.of(NAMESPACES, LABELLED))


async def build(platform: Platform) -> McpController:
    """Finds the cluster and wires the controller.

    Raises:
        NoCluster: there is no cluster to be found.
    """
    settings = ControllerSettings()
    client, leader = await open_leader(
        f"quarterdeck-{NAME}",
        ObjectKey(settings.lease_namespace, NAME),
        platform.closing,
        registry=platform.telemetry.registry,
        log=platform.telemetry.log,
    )
    return McpController(platform, client, leader, settings)
