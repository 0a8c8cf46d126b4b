"""Says in the cluster what was found about an object: in its status, and by an Event where that is news."""

from __future__ import annotations

import contextlib
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object
from quarterdeck.controller.writing.events import NORMAL, WARNING, EventRecorder
from quarterdeck.registry.conditions import FALSE
from quarterdeck.registry.constants import MANAGER
from quarterdeck.registry.kube import statuses


class Speaker:
    """See the module.

    Args:
        client: fenced.
    """

    def __init__(self, client: Client, events: EventRecorder) -> None:
        self._client = client
        self._events = events

    async def say(self, resource: Resource, thing: Object, wanted: dict[str, Any]) -> None:
        """Writes a status, if there is still an object of that name.

        One that was made meanwhile under the same name gets it too, until its own is said: a status is
        applied without regard to the UID.
        """
        with contextlib.suppress(NotFound):  # its deletion is on the way to us
            body = statuses.patch(thing, wanted)
            await self._client.apply(resource, body, manager=MANAGER, subresource="status")
            for item in statuses.news((thing.get("status") or {}).get("conditions", []), wanted):
                kind = WARNING if item["status"] == FALSE else NORMAL
                said = f"{item['type']}: {item['message']}"
                self._events.event(thing, item["reason"], said, type=kind)
