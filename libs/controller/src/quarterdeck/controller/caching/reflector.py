"""Keeps a copy in step with the API server: a list in pages, then a watch, for ever."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Protocol

from quarterdeck.controller.api.client import EVERYTHING, SILENCE, WATCH_SECONDS, Client, Scope, WatchEvent
from quarterdeck.controller.api.errors import ApiError, Silent
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.caching.following import (
    BACKOFF,
    PAGE_MOST,
    Ending,
    explained,
    is_passing,
    next_limit,
    next_step,
)
from quarterdeck.controller.metrics import InformerMetrics
from quarterdeck.controller.objects import Object, ObjectKey, key_of, version_of

# After so many failures in a row the list is asked for in one piece: its pages may be forgotten too soon.
UNPAGED_AFTER = 3


class Copy(Protocol):
    """What a reflector keeps in step."""

    def put(self, thing: Object) -> None:
        """Takes an object's state."""

    def drop(self, key: ObjectKey, last: Object | None) -> None:
        """Takes a deletion; `last` is None if it happened unseen."""

    def keys(self) -> set[ObjectKey]:
        """Returns the names of what is there."""


class Reflector:
    """See the module.

    Args:
        copy: what is kept in step.
        backoff: waits after failures in a row, in seconds; each up to half as long again, by chance.
        watch_seconds: after which the server ends a watch and it is opened anew.
        silence: seconds without a byte after which a watch's connection counts as dead.
        page: most objects of a page.

    Attributes:
        synced: set once the whole list was seen.
        trouble: why the last list or watch failed, in words; empty while all is well.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        copy: Copy,
        *,
        log: Any,
        scope: Scope = EVERYTHING,
        metrics: InformerMetrics | None = None,
        backoff: Backoff = BACKOFF,
        watch_seconds: int = WATCH_SECONDS,
        silence: float = SILENCE,
        page: int = PAGE_MOST,
    ) -> None:
        self._client = client
        self._resource = resource
        self._copy = copy
        self._log = log
        self._scope = scope
        self._metrics = metrics
        self._backoff = backoff
        self._watch_seconds = watch_seconds
        self._silence = silence
        self._page = page
        self._position: str | None = None
        self._failures = 0
        self._told = False
        self.synced = asyncio.Event()
        self.trouble = ""

    async def run(self) -> None:
        """Follows until it is cancelled."""
        was_away = False
        while True:
            ending = await self._follow()
            step = next_step(ending, self._failures, self._backoff, was_away=was_away)
            self._failures, was_away = step.failures, is_passing(ending.error)
            # Silence says nothing: a kind that never changes gets no bookmarks either.
            if ending.error is not None and not isinstance(ending.error, Silent):
                self._report(ending.error, step.wait)
            if step.relist:
                self._position = None
            await asyncio.sleep(step.wait * (1 + random.random() / 2))

    async def _follow(self) -> Ending:
        loop = asyncio.get_running_loop()
        started, self._told = loop.time(), False
        try:
            if self._position is None:
                self._position = await self._list()
                started = loop.time()
            await self._watch(self._position)
        except ApiError as error:
            return Ending(error, self._lasted(started), self._told)
        return Ending(None, self._lasted(started), self._told)

    def _lasted(self, started: float) -> float:
        # A list that failed did not work, however long it took.
        return 0.0 if self._position is None else asyncio.get_running_loop().time() - started

    async def _list(self) -> str:
        if self._metrics is not None:
            self._metrics.lists.labels(str(self._resource)).inc()
        limit = self._page if self._failures < UNPAGED_AFTER else 0
        before, token = self._copy.keys(), ""
        while True:
            page = await self._client.list_page(self._resource, self._scope, limit=limit, token=token)
            for thing in page.items:
                before.discard(key_of(thing))
                self._copy.put(thing)
            token = page.token
            if not token:
                break
            limit = min(self._page, next_limit(limit, page.size, len(page.items)))
        for key in before:
            self._copy.drop(key, None)
        self.trouble = ""
        self.synced.set()
        return page.resource_version

    async def _watch(self, position: str) -> None:
        if self._metrics is not None:
            self._metrics.watches.labels(str(self._resource)).inc()
        # Spread, or all watches of a process would be opened anew in the same second.
        seconds = round(self._watch_seconds * (1 + random.random()))
        events = self._client.watch(
            self._resource, self._scope, resource_version=position, seconds=seconds, silence=self._silence
        )
        async for event in events:
            self._take(event)

    def _take(self, event: WatchEvent) -> None:
        self._told, self.trouble = True, ""
        if event.type == "DELETED":
            self._copy.drop(key_of(event.object), event.object)
        elif event.type != "BOOKMARK":
            self._copy.put(event.object)
        self._position = version_of(event.object)

    def _report(self, error: ApiError, wait: float) -> None:
        self.trouble = explained(self._resource, error)
        self._log.warning(
            "reflector.failed",
            resource=str(self._resource),
            namespace=self._scope.namespace,
            again_in=round(wait, 3),
            reason=error.reason or type(error).__name__,
            error=self.trouble,
        )
