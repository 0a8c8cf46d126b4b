"""Finalizers: an object stays until what it made elsewhere is cleaned up. Needed only for what no owner
reference reaches: things outside the namespace or the cluster."""

from __future__ import annotations

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, is_deleting, key_of, metadata, uid_of, version_of


def finalizers_of(thing: Object) -> list[str]:
    """Returns who still holds the object."""
    return list(metadata(thing).get("finalizers") or [])


class Finalizer:
    """One finalizer on objects of one kind.

    Args:
        name: as `example.dev/cleanup`.
    """

    def __init__(self, client: Client, resource: Resource, name: str) -> None:
        self._client = client
        self._resource = resource
        self.name = name

    async def add(self, thing: Object) -> Object:
        """Holds the object; do this before making what must be cleaned up. Returns the object as it is then.

        An object that is being deleted takes no new finalizers and is returned as it is.

        Raises:
            Conflict: the object changed since it was read.
        """
        held = finalizers_of(thing)
        if self.name in held or is_deleting(thing):
            return thing
        return await self._write(thing, [*held, self.name])

    async def remove(self, thing: Object) -> None:
        """Lets the object go; do this once all is cleaned up. Nothing if it does not hold it, or it is gone.

        Raises:
            Conflict: the object changed since it was read.
        """
        held = finalizers_of(thing)
        if self.name not in held:
            return
        try:
            await self._write(thing, [each for each in held if each != self.name])
        except NotFound:
            return

    async def _write(self, thing: Object, finalizers: list[str]) -> Object:
        key = key_of(thing)
        # The version guards finalizers that others add or remove at the same time.
        patch = {
            "metadata": {
                "uid": uid_of(thing),
                "resourceVersion": version_of(thing),
                "finalizers": finalizers,
            }
        }
        return await self._client.merge(self._resource, key.name, patch, key.namespace)
