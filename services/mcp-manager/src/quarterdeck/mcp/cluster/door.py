"""Finds the address of a pod of a tool server; one that sleeps is woken, and the caller waits for it."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from quarterdeck.controller.api.errors import ApiError
from quarterdeck.mcp.cluster.naming import endpoint, service_host
from quarterdeck.mcp.cluster.proof import proves
from quarterdeck.mcp.cluster.replicas import Endpoints
from quarterdeck.mcp.cluster.trials import Trials
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.pods.names import object_name

# Seconds that a first call waits for a pod: less than it waits for its server, so that the reason is told.
PATIENCE = 27.0
# Between two looks at which pods there are.
_LOOK_AGAIN = 0.1
# The same where there is nothing to wake: it is not made yet, or somebody else has the name.
_NOTHING_THERE = 0.5
# Seconds in which a pod whose name was found takes a connection.
_REACHED_WITHIN = 0.5

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses behind a name; none if there is no such name, or nothing behind it."""

Reach = Callable[[str, int], Awaitable[bool]]
"""Says whether an address takes connections at a port."""

Prove = Callable[[str, Pods], Awaitable[bool]]
"""Says whether the pod at an address speaks the protocol. It leaves no session behind."""


class Replicas(Protocol):
    """What the cluster knows and does about the pods of a server."""

    async def wake(self, namespace: str, name: str) -> bool:
        """Asks for a pod if none is wanted; returns whether there can be one. Raises ApiError."""

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        """Returns where its pods are. Raises ApiError."""


async def resolve(host: str) -> list[str]:
    """Asks for the addresses of a name. See `Resolve`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return sorted({str(address[4][0]) for address in found})


async def accepts(address: str, port: int) -> bool:
    """Tries it. See `Reach`."""
    try:
        async with asyncio.timeout(_REACHED_WITHIN):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    return True


class Door:
    """See the module. A session stays with the pod that it got: its server keeps it in memory.

    Args:
        namespace: tells the namespace of a tenant; empty while it is not known.
        trouble: tells why the pods of a tenant's server do not answer, as far as known.
        replicas: the API server's side.
        find: how names are resolved: running pods are found without the API server.
        domain: the cluster's; empty if it is not known.
        reach: what a name stands for is tried: for seconds after a server went to sleep, the addresses of
            its pods are still told.
        prove: a pod that begins to run is tried by ourselves: the kubelet sees seconds later that it answers.
    """

    def __init__(
        self,
        namespace: Callable[[str], str],
        trouble: Callable[[str, str], str],
        replicas: Replicas,
        find: Resolve = resolve,
        patience: float = PATIENCE,
        domain: str = "",
        reach: Reach = accepts,
        prove: Prove = proves,
    ) -> None:
        self._namespace = namespace
        self._trouble = trouble
        self._replicas = replicas
        self._find = find
        self._patience = patience
        self._domain = domain
        self._reach = reach
        self._prove = prove

    async def url(self, tenant: str, pods: Pods) -> str:
        """Returns the endpoint of one pod. Raises NotSent if none answers in time."""
        namespace, name = self._namespace(tenant), object_name(pods.server)
        if not namespace:
            raise NotSent(f"the namespace of tenant {tenant!r} is not known yet")
        host = service_host(name, namespace, self._domain)
        address = await self._living(await self._find(host), pods.port)
        address = address or random.choice(await self._wait(tenant, pods, namespace, name))
        return endpoint(address, pods)

    async def _living(self, found: Sequence[str], port: int) -> str:
        """Returns one of the addresses at which somebody answers; empty if nobody does."""
        for address in random.sample(found, len(found)):
            if await self._reach(address, port):
                return address
        return ""

    async def _wait(self, tenant: str, pods: Pods, namespace: str, name: str) -> Sequence[str]:
        trials = Trials(lambda address: self._answers(address, pods))
        try:
            return await self._waking(trials, tenant, pods, namespace, name)
        finally:
            await trials.close()

    async def _answers(self, address: str, pods: Pods) -> bool:
        return await self._reach(address, pods.port) and await self._prove(address, pods)

    async def _waking(
        self, trials: Trials, tenant: str, pods: Pods, namespace: str, name: str
    ) -> Sequence[str]:
        until, problem = time.monotonic() + self._patience, ""
        while time.monotonic() < until:
            try:
                # Again each time: another replica may have let it sleep just now.
                if not await self._replicas.wake(namespace, name):
                    problem = ""
                    await asyncio.sleep(_NOTHING_THERE)
                    continue
                found = await self._replicas.endpoints(namespace, name)
                if found.ready:
                    return found.ready
                if answering := await trials.first(found.starting, _LOOK_AGAIN):
                    return [answering]
                problem = ""
            except ApiError as error:
                problem = f"the API server cannot be asked for one: {error}"
                await asyncio.sleep(_LOOK_AGAIN)
        why = problem or self._trouble(tenant, pods.server) or "it is still starting"
        raise NotSent(f"no pod of it answered within {self._patience:g} s: {why}")
