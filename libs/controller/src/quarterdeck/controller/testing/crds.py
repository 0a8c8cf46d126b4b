"""Custom resources for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import CRDS, Resource
from quarterdeck.controller.objects import Object, metadata
from quarterdeck.controller.writing.conditions import find

_PATIENCE = 20.0


def resource_of(definition: Object) -> Resource:
    """Returns the resource that a CustomResourceDefinition defines, in its first version."""
    spec = definition["spec"]
    names = spec["names"]
    namespaced = spec["scope"] == "Namespaced"
    version = spec["versions"][0]["name"]
    return Resource(spec["group"], version, names["plural"], names["kind"], namespaced)


async def install_crds(client: Client, definitions: Sequence[Object]) -> None:
    """Applies CustomResourceDefinitions and waits until the API server serves them.

    Raises:
        TimeoutError: it does not within 20 s.
        ApiError: what it refuses.
    """
    for definition in definitions:
        await client.apply(CRDS, definition, manager="test")
    async with asyncio.timeout(_PATIENCE):
        for definition in definitions:
            await _established(client, str(metadata(definition)["name"]))


async def _established(client: Client, name: str) -> None:
    while True:
        conditions = ((await client.get(CRDS, name)).get("status") or {}).get("conditions") or []
        condition = find(conditions, "Established")
        if condition is not None and condition["status"] == "True":
            return
        await asyncio.sleep(0.05)
