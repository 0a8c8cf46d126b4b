"""The status of an object, written only when it says something new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, key_of, metadata, version_of
from quarterdeck.controller.writing.comparing import without_empty
from quarterdeck.controller.writing.conditions import Condition, updated


def status_of(thing: Object, conditions: Iterable[Condition], fields: Mapping[str, Any], now: str) -> Object:
    """Returns the status that `thing` should have: its conditions carried on, and `fields`.

    Args:
        now: RFC 3339 in seconds.
    """
    generation = int(metadata(thing).get("generation") or 0)
    stored = (thing.get("status") or {}).get("conditions") or []
    return {
        **fields,
        "observedGeneration": generation,
        "conditions": updated(stored, conditions, generation, now),
    }


class StatusWriter:
    """Writes the status of objects of one kind, as one field manager.

    Fields that it wrote once and leaves out now are removed. Conditions that others write to the same object
    are carried on as they are, if the kind's schema makes them a map by `type`.
    """

    def __init__(self, client: Client, resource: Resource, manager: str) -> None:
        self._client = client
        self._resource = resource
        self._manager = manager

    async def write(
        self, thing: Object, conditions: Iterable[Condition], fields: Mapping[str, Any] | None = None
    ) -> bool:
        """Writes the status if it says something new; returns whether it did.

        Args:
            thing: as the cache has it; left unchanged.
            fields: of the status, besides `conditions` and `observedGeneration`.

        Raises:
            NotFound: the object is gone.
            Conflict: it changed since it was read; what was found may not hold for it.
        """
        live = thing.get("status") or {}
        wanted = status_of(thing, conditions, fields or {}, _now())
        if without_empty(live) == without_empty(wanted):
            return False
        key = key_of(thing)
        place = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
        # With the version, or an object of the same name that was made meanwhile would get this status.
        body = {
            "apiVersion": self._resource.api_version,
            "kind": self._resource.kind,
            "metadata": {**place, "resourceVersion": version_of(thing)},
            "status": wanted,
        }
        await self._client.apply(self._resource, body, manager=self._manager, subresource="status")
        return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
