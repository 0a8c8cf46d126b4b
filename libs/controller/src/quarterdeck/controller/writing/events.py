"""Events about objects, as `kubectl describe` shows them: best effort, in the background."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import ApiError, NotFound
from quarterdeck.controller.api.resource import EVENTS
from quarterdeck.controller.objects import Object, key_of, uid_of, version_of
from quarterdeck.controller.writing.event_book import Deed, Entry, EventBook, Note

NORMAL, WARNING = "Normal", "Warning"
WAITING = 1000
LONGEST_MESSAGE = 1024


class EventRecorder:
    """See the module. What the API server does not take, or what is too much, is dropped and logged.

    Args:
        component: who reports, as `quarterdeck-registry`.
        instance: the process, as its pod's name.
    """

    def __init__(self, client: Client, component: str, *, log: Any, instance: str = "") -> None:
        self._client = client
        self._source = {"component": component}
        self._reporter = {
            "reportingComponent": component,
            "reportingInstance": instance,
        }
        self._log = log
        self._book = EventBook()
        self._waiting: asyncio.Queue[tuple[Object, Note]] = asyncio.Queue(WAITING)

    def event(self, about: Object, reason: str, message: str, *, type: str = NORMAL) -> None:
        """Notes what happened to an object; returns at once.

        Args:
            reason: one word for programs.
            message: for people; what differs from one time to the next does not belong here, or nothing is
                counted and all is written.
            type: NORMAL or WARNING.
        """
        note = Note(uid_of(about), type, reason, message[:LONGEST_MESSAGE])
        try:
            self._waiting.put_nowait((about, note))
        except asyncio.QueueFull:
            self._log.warning("event.dropped", object=str(key_of(about)), reason=reason)

    async def run(self) -> None:
        """Writes what was noted, until it is cancelled."""
        while True:
            about, note = await self._waiting.get()
            deed, entry = self._book.note(note, time.monotonic())
            if deed is Deed.DROP:
                continue
            try:
                await self._write(deed, about, note, entry)
            except ApiError as error:
                self._log.warning("event.not_written", object=str(key_of(about)), error=str(error))

    async def _write(self, deed: Deed, about: Object, note: Note, entry: Entry) -> None:
        namespace = key_of(about).namespace or "default"
        if deed is Deed.COUNT:
            try:
                patch = {"count": entry.count, "lastTimestamp": _now()}
                await self._client.merge(EVENTS, entry.name, patch, namespace)
                return
            except NotFound:
                # The API server forgets events after an hour.
                pass
        name = f"{key_of(about).name[:200]}.{uuid.uuid4().hex[:16]}"
        await self._client.create(EVENTS, self._body(about, note, name, namespace, entry.count))
        entry.name = name

    def _body(self, about: Object, note: Note, name: str, namespace: str, count: int) -> Object:
        key, now = key_of(about), _now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": key.name,
                "namespace": key.namespace,
                "uid": note.uid,
                "resourceVersion": version_of(about),
            },
            "type": note.type,
            "reason": note.reason,
            "message": note.message,
            "count": count,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": self._source,
            **self._reporter,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
