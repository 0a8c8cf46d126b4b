"""A cache that follows the API server and tells its handlers what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.controller.api.client import EVERYTHING, Client, Scope
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.caching.cache import Change, Index, ObjectCache
from quarterdeck.controller.caching.reflector import Reflector
from quarterdeck.controller.caching.trimming import Trim, trim_bookkeeping
from quarterdeck.controller.metrics import InformerMetrics
from quarterdeck.controller.objects import Object, ObjectKey

Handler = Callable[[Change], None]
"""Is told of each change, on the event loop; it should put a key into a queue and return."""

_RESYNC_AT_ONCE = 200


class Informer:
    """See the module. Objects in the cache are shared: read them, and copy before you change one.

    Args:
        indexes: more ways to find objects; see ObjectCache.
        trim: makes objects smaller before they are kept.
        resync: seconds after which handlers are told of every object again; 0 for never. Nothing here
            needs it; it is for controllers of things outside the cluster that change without a word.
        reflecting: options of the Reflector, as `silence` or `backoff`.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        log: Any,
        scope: Scope = EVERYTHING,
        indexes: Mapping[str, Index] | None = None,
        trim: Trim = trim_bookkeeping,
        resync: float = 0.0,
        metrics: InformerMetrics | None = None,
        **reflecting: Any,
    ) -> None:
        self.resource = resource
        self.cache = ObjectCache(indexes)
        self._trim = trim
        self._resync = resync
        self._log = log
        if metrics is not None:
            metrics.items.labels(str(resource)).set_function(lambda: len(self.cache))
        self._handlers: list[Handler] = []
        self._reflector = Reflector(
            client, resource, self, log=log, scope=scope, metrics=metrics, **reflecting
        )

    @property
    def synced(self) -> bool:
        """True once everything that was there at the start is in the cache."""
        return self._reflector.synced.is_set()

    @property
    def trouble(self) -> str:
        """Why the cache may be behind, in words; empty while all is well."""
        return self._reflector.trouble

    async def wait_synced(self) -> None:
        """Waits until everything that was there at the start is in the cache."""
        await self._reflector.synced.wait()

    def add_handler(self, handler: Handler) -> None:
        """Tells `handler` of all that is there, as additions, and of every change from now on."""
        self._handlers.append(handler)
        for thing in self.cache:
            self._tell(handler, Change(None, thing))

    async def run(self) -> None:
        """Follows until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflector.run(), name=f"reflect-{self.resource}")
            if self._resync > 0:
                group.create_task(self._repeat(), name=f"resync-{self.resource}")

    def put(self, thing: Object) -> None:
        """Takes an object's state from the reflector."""
        self._changed(self.cache.put(self._trim(thing)))

    def drop(self, key: ObjectKey, last: Object | None) -> None:
        """Takes a deletion from the reflector."""
        self._changed(self.cache.drop(key, last, missed=last is None))

    def keys(self) -> set[ObjectKey]:
        """Returns the names of what is in the cache."""
        return self.cache.keys()

    def _changed(self, changes: list[Change]) -> None:
        for change in changes:
            for handler in self._handlers:
                self._tell(handler, change)

    def _tell(self, handler: Handler, change: Change) -> None:
        try:
            handler(change)
        except Exception:
            # One handler's mistake must neither stop the watch nor keep the news from the others.
            self._log.exception("handler.failed", resource=str(self.resource))

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._resync)
            for number, thing in enumerate(self.cache):
                if number % _RESYNC_AT_ONCE == 0:
                    await asyncio.sleep(0)
                self._changed([Change(thing, thing)])


class Informers:
    """Informers that controllers share: one for a resource and scope, however many ask.

    Args:
        options: of every Informer made here, as `metrics`.
    """

    def __init__(self, client: Client, *, log: Any, **options: Any) -> None:
        self._client = client
        self._log = log
        self._options = options
        self._made: dict[tuple[Resource, Scope], Informer] = {}

    def of(self, resource: Resource, scope: Scope = EVERYTHING) -> Informer:
        """Returns the informer of a resource; made at the first call, run by whoever runs these all."""
        known = self._made.get((resource, scope))
        if known is None:
            known = Informer(self._client, resource, scope=scope, log=self._log, **self._options)
            self._made[(resource, scope)] = known
        return known

    def all(self) -> list[Informer]:
        """Returns those that were asked for so far."""
        return list(self._made.values())
