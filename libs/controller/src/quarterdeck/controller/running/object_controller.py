"""A controller of one kind: what changed becomes names in a queue, and each name is reconciled on its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.caching.cache import Change
from quarterdeck.controller.caching.informer import Informer, Informers
from quarterdeck.controller.loop import DONE, RECONCILE_TIMEOUT, Controller, Result
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.objects import Object, ObjectKey, annotations_of
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.controller.running.predicates import annotation_changed, any_of
from quarterdeck.controller.running.sources import For, Owns, Watches, mapped_keys, own_keys, owner_keys

Reconcile = Callable[[ObjectKey, Object | None], Awaitable[Result]]
"""Makes the world agree with an object, as the cache has it; None if it is gone. Safe to repeat."""


class ObjectController:
    """See the module.

    Args:
        name: for metrics and logs.
        subject: the kind that is reconciled.
        owns, watches: other kinds whose changes concern it.
        informers: where they are read; made once, shared by all controllers of the process.
        paused_annotation: an object that carries it as "true" is left alone, even while it is being deleted.
        workers: objects reconciled at a time; never the same one twice.
        timeout: seconds of one reconcile; it is cancelled then and comes back after its back-off.
        backoff: waits of an object that keeps failing.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        subject: For,
        informers: Informers,
        *,
        metrics: ControllerMetrics,
        log: Any,
        owns: Sequence[Owns] = (),
        watches: Sequence[Watches] = (),
        paused_annotation: str = "",
        workers: int = 4,
        timeout: float = RECONCILE_TIMEOUT,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._reconcile = reconcile
        self._subject = subject
        self._paused = paused_annotation
        self._log = log
        self._queue: WorkQueue[ObjectKey] = WorkQueue(name, metrics, backoff)
        self._loop = Controller(
            name, self._queue, self._look, metrics=metrics, log=log, workers=workers, timeout=timeout
        )
        self._own = informers.of(subject.resource, subject.scope)
        self._listen_to_subject()
        self._listen_to_others(informers, owns, watches)

    @property
    def informer(self) -> Informer:
        """The one of the kind that is reconciled."""
        return self._own

    def enqueue(self, key: ObjectKey, after: float = 0.0) -> None:
        """Asks for a look at `key`, in `after` seconds; for changes that no informer sees."""
        self._queue.add_after(key, after)

    async def run(self) -> None:
        """Reconciles until it is cancelled; reconciles in progress are cancelled with it."""
        try:
            await self._loop.run()
        finally:
            self._queue.close()

    def _listen_to_subject(self) -> None:
        predicate = self._subject.predicate
        if self._paused:
            # Or nobody would notice when the object is no longer paused.
            predicate = any_of(predicate, annotation_changed(self._paused))

        def told(change: Change) -> None:
            if predicate(change):
                self._add(own_keys(change))

        self._own.add_handler(told)

    def _listen_to_others(
        self, informers: Informers, owns: Sequence[Owns], watches: Sequence[Watches]
    ) -> None:
        for owned in owns:
            informers.of(owned.resource, owned.scope).add_handler(self._told_of_owned(owned))
        for watched in watches:
            informers.of(watched.resource, watched.scope).add_handler(self._told_of_watched(watched))

    def _told_of_owned(self, source: Owns) -> Callable[[Change], None]:
        def told(change: Change) -> None:
            if source.predicate(change):
                self._add(owner_keys(change, self._subject.resource, self._own.cache))

        return told

    def _told_of_watched(self, source: Watches) -> Callable[[Change], None]:
        def told(change: Change) -> None:
            if source.predicate(change):
                self._add(mapped_keys(change, source.mapping))

        return told

    def _add(self, keys: set[ObjectKey]) -> None:
        for key in keys:
            self._queue.add(key)

    async def _look(self, key: ObjectKey) -> Result:
        thing = self._own.cache.get(key)
        if thing is not None and self._paused and annotations_of(thing).get(self._paused) == "true":
            self._log.info("reconcile.paused", controller=self.name, key=str(key))
            return DONE
        return await self._reconcile(key, thing)
