"""The cluster of $KUBECONFIG with the platform in it, and what is made there for the measurement."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import SECRETS, Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.objects import Object, is_deleting, metadata
from quarterdeck.mcp.control.claiming import is_ready
from quarterdeck.mcp.control.kinds import DEPLOYMENTS, MCP_SERVERS, PODS, SERVICES
from quarterdeck.mcp.pods.names import POOL, SERVER, SERVING
from toolpods.programs import HTTP, STDIO
from toolpods.talk import Talk

PLATFORM, TENANT, HOME = "quarterdeck", "default", "qd-default"
# It has Python; what is run in it is the echo server.
IMAGE = "quarterdeck/mcp-manager:dev"
PYTHON = "/opt/quarterdeck/bin/python"
MANAGER = "mcp-manager"
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
AMOUNTS = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
# Seconds without a call until a server sleeps; and how often the manager looks meanwhile.
IDLE, PERIOD = 2.0, 0.5


@dataclass(frozen=True, slots=True)
class Ground:
    """The API server, and where and as whom the gateway is spoken to."""

    client: Client
    host: str
    port: int
    token: str

    def door(self, server: str) -> Talk:
        """Returns a connection to the gateway that calls the echo tool of a server."""
        path = f"/api/v1/tenants/{TENANT}/tools/{server}/echo/call"
        return Talk(self.host, self.port, path, {"Authorization": f"Bearer {self.token}"})

    async def pods(self, server: str, pool: str = SERVING) -> list[Object]:
        """Returns the pods of a server."""
        return list(await self.client.list_all(PODS, Scope(HOME, f"{SERVER}={server},{POOL}={pool}")))

    async def ready(self, server: str, pool: str = SERVING) -> list[Object]:
        """Returns those of its pods that answer."""
        return [pod for pod in await self.pods(server, pool) if is_ready(pod) and not is_deleting(pod)]

    @contextlib.asynccontextmanager
    async def server(self, name: str, container: Object, **spec: Any) -> AsyncIterator[None]:
        """Makes an MCPServer for as long as the context lasts."""
        meta = {"name": name, "namespace": HOME}
        tools = [{"name": "echo", "effect": "readOnly"}]
        whole = {"image": IMAGE, "resources": AMOUNTS, **container}
        thing = {"apiVersion": MCP_SERVERS.api_version, "kind": MCP_SERVERS.kind, "metadata": meta}
        await self.client.apply(
            MCP_SERVERS, thing | {"spec": {"container": whole, "tools": tools, **spec}}, manager="bench"
        )
        try:
            yield
        finally:
            await self.client.delete(MCP_SERVERS, name, HOME)
            await eventually(lambda: self._gone(name))

    async def _gone(self, name: str) -> bool:
        return not await self.client.list_all(PODS, Scope(HOME, f"{SERVER}={name}"))


def stdio() -> Object:
    """Returns a container that speaks over pipes."""
    return {"command": [PYTHON, "-c", STDIO]}


def over_http() -> Object:
    """Returns a container that speaks HTTP itself."""
    return {"command": [PYTHON, "-c", HTTP], "transport": "http", "port": 8080}


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float = 90) -> Any:
    """Returns what `look` finds as soon as it finds something. Raises RuntimeError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise RuntimeError(f"not within {seconds:g} s")


@contextlib.asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Finds the platform and makes its manager look often at who is idle, until the context ends."""
    client = Client(Transport(await connect(), user_agent="bench"))
    try:
        made = await _found(client)
        before = await _period(client, str(PERIOD))
        try:
            await eventually(lambda: _rolled(client))
            yield made
        finally:
            await _period(client, before)
    finally:
        await client.close()


async def _found(client: Client) -> Ground:
    (node, *_) = await client.list_all(NODES)
    host = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
    ports = (await client.get(SERVICES, "gateway", PLATFORM))["spec"]["ports"]
    port = next(one["nodePort"] for one in ports if one["name"] == "http")
    secret = await client.get(SECRETS, "administrator", PLATFORM)
    return Ground(client, host, port, base64.b64decode(secret["data"]["token"]).decode().strip())


async def _period(client: Client, wanted: str | None) -> str | None:
    """Says how often the manager looks, None for its own default; returns what was said before."""
    name = "QD_MCP_SLEEP_PERIOD"
    present = await client.get(DEPLOYMENTS, MANAGER, PLATFORM)
    containers = present["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one for one in containers[0].get("env") or []}
    before = variables.pop(name, None)
    if wanted is not None:
        variables[name] = {"name": name, "value": wanted}
    containers[0]["env"] = list(variables.values())
    await client.replace(DEPLOYMENTS, present)
    return None if before is None else str(before.get("value"))


async def _rolled(client: Client) -> bool:
    present = await client.get(DEPLOYMENTS, MANAGER, PLATFORM)
    status, wanted = present["status"], present["spec"]["replicas"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    seen = status.get("observedGeneration") == metadata(present)["generation"]
    return seen and all(status.get(count) == wanted for count in counts)


async def removed(client: Client, name: str) -> None:
    """Deletes a pod and waits until it is gone."""
    await client.delete(PODS, name, HOME)

    async def gone() -> bool:
        try:
            await client.get(PODS, name, HOME)
        except NotFound:
            return True
        return False

    await eventually(gone)
