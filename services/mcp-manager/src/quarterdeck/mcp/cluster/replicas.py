"""How many pods of a tool server there are to be, and which of them answer: asked of the API server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, version_of
from quarterdeck.mcp.control.kinds import DEPLOYMENTS

ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
_SERVICE = "kubernetes.io/service-name"
SCALE = "scale"


class KubeReplicas:
    """See the module. Only the `scale` of a Deployment is ever written."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def wake(self, namespace: str, name: str) -> None:
        """Asks for a pod if none is wanted; nothing if there is no Deployment yet. Raises ApiError."""
        scale = await self._scale(namespace, name)
        if scale is not None and wanted(scale) == 0:
            await self._client.merge(DEPLOYMENTS, name, {"spec": {"replicas": 1}}, namespace, SCALE)

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

    async def addresses(self, namespace: str, name: str) -> Sequence[str]:
        """Returns the addresses of pods that answer. Raises ApiError."""
        scope = Scope(namespace, f"{_SERVICE}={name}")
        return ready_addresses(await self._client.list_all(ENDPOINT_SLICES, scope))

    async def _scale(self, namespace: str, name: str) -> Object | None:
        try:
            found: Object = json.loads(await self._client.raw(DEPLOYMENTS.path(namespace, name, SCALE)))
        except NotFound:
            return None
        return found


def wanted(scale: Object) -> int:
    """Returns how many pods there are to be. Pure."""
    # The API server leaves a zero out.
    return int((scale.get("spec") or {}).get("replicas") or 0)


def ready_addresses(slices: Sequence[Object]) -> list[str]:
    """Returns the addresses of endpoints that are ready. Pure."""
    endpoints: list[dict[str, Any]] = [one for part in slices for one in part.get("endpoints") or []]
    ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready", True)]
    return sorted({str(one["addresses"][0]) for one in ready if one.get("addresses")})
