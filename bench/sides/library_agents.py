"""libs/controller doing that same job for Agents, and nothing else: `python library_agents.py`."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import structlog
import uvloop
from agent_check import found, route_of
from prometheus_client import CollectorRegistry

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.caching.cache import BY_NAMESPACE
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.leading.leader import Leader
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.objects import Object, ObjectKey, key_of
from quarterdeck.controller.running.object_controller import ObjectController
from quarterdeck.controller.running.process import ControllerProcess
from quarterdeck.controller.running.sources import For, Watches
from quarterdeck.controller.writing.conditions import Condition
from quarterdeck.controller.writing.status import StatusWriter

AGENTS = Resource("quarterdeck.dev", "v1alpha1", "agents", "Agent")
ROUTES = Resource("quarterdeck.dev", "v1alpha1", "modelroutes", "ModelRoute")


class Agents:
    """Says in the status what there is to say of the spec."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._status = StatusWriter(client, AGENTS, "library-agents")
        self._agents = informers.of(AGENTS).cache
        self._routes = informers.of(ROUTES).cache

    async def reconcile(self, key: ObjectKey, thing: Object | None) -> Result:
        """Looks at one Agent."""
        if thing is not None:
            resolved = self._routes.get(ObjectKey(key.namespace, route_of(thing))) is not None
            said = found(thing, resolved=resolved).items()
            await self._status.write(thing, [Condition(name, *each) for name, each in said])
        return DONE

    def beside(self, route: Object) -> list[ObjectKey]:
        """Returns the Agents that a route may concern."""
        return [key_of(thing) for thing in self._agents.find(BY_NAMESPACE, key_of(route).namespace)]


async def serve() -> None:
    """Runs it until SIGTERM, as the leader."""
    log = structlog.get_logger()
    transport, leases = Transport(await connect()), Transport(await connect())
    client = Client(transport)
    leader = Leader(Client(leases), ObjectKey("default", "library-agents"), "bench", log=log)
    informers = Informers(client, log=log)
    agents = Agents(leader.fenced(client), informers)
    controller = ObjectController(
        "agents",
        agents.reconcile,
        For(AGENTS),
        informers,
        watches=[Watches(ROUTES, agents.beside)],
        metrics=ControllerMetrics(CollectorRegistry()),
        log=log,
    )
    process = ControllerProcess(informers, [controller], log=log, leader=leader)
    running = asyncio.ensure_future(process.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await transport.close()
    await leases.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
