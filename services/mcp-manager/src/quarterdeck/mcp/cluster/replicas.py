"""How many pods of a tool server there are to be, and which of them answer: asked of the API server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, version_of
from quarterdeck.mcp.control.kinds import DEPLOYMENTS
from quarterdeck.mcp.pods.names import SERVER, object_name

ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
_SERVICE = "kubernetes.io/service-name"
SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a server's pods: those that answer their probes, and those that begin to run."""

    ready: Sequence[str] = ()
    starting: Sequence[str] = ()


class KubeReplicas:
    """See the module. Only the `scale` of a Deployment is ever written, and only of one that we made."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def wake(self, namespace: str, name: str) -> bool:
        """Asks for a pod if none is wanted; returns whether a Deployment is ours. Raises ApiError."""
        scale = await self._scale(namespace, name)
        if scale is not None and wanted(scale) == 0:
            await self._client.merge(DEPLOYMENTS, name, {"spec": {"replicas": 1}}, namespace, SCALE)
        return scale is not None

    async def sleep(self, namespace: str, name: str) -> None:
        """Asks for no pod at all.

        Raises:
            Conflict: somebody else has just said how many there are to be.
            ApiError: the API server did not take it.
        """
        scale = await self._scale(namespace, name)
        if scale is None or wanted(scale) == 0:
            return
        change = {"metadata": {"resourceVersion": version_of(scale)}, "spec": {"replicas": 0}}
        await self._client.merge(DEPLOYMENTS, name, change, namespace, SCALE)

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        """Returns where its pods are. Raises ApiError."""
        scope = Scope(namespace, f"{_SERVICE}={name}")
        return read_endpoints(await self._client.list_all(ENDPOINT_SLICES, scope))

    async def _scale(self, namespace: str, name: str) -> Object | None:
        try:
            found: Object = json.loads(await self._client.raw(DEPLOYMENTS.path(namespace, name, SCALE)))
        except NotFound:
            return None
        return found if is_ours(found, name) else None


def is_ours(scale: Object, name: str) -> bool:
    """Returns whether a Deployment selects the pods of the server that it is named after. Pure.

    A scale shows neither labels nor owners; a stranger's Deployment of that name selects other pods.
    """
    terms = str((scale.get("status") or {}).get("selector") or "").split(",")
    servers = (value for key, _, value in (term.partition("=") for term in terms) if key == SERVER)
    return any(object_name(server) == name for server in servers)


def wanted(scale: Object) -> int:
    """Returns how many pods there are to be. Pure."""
    # The API server leaves a zero out.
    return int((scale.get("spec") or {}).get("replicas") or 0)


def read_endpoints(slices: Sequence[Object]) -> Endpoints:
    """Returns the addresses of endpoints; those that are going are left out. Pure."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for endpoint in (one for part in slices for one in part.get("endpoints") or []):
        conditions: dict[str, Any] = endpoint.get("conditions") or {}
        if endpoint.get("addresses") and not conditions.get("terminating"):
            found[bool(conditions.get("ready", True))].add(str(endpoint["addresses"][0]))
    return Endpoints(sorted(found[True]), sorted(found[False] - found[True]))
