"""A queue of keys that are to be looked at.

A key is in one of three places, and the rules between them are the whole point:

- *dirty*: something about it changed and nobody has looked since;
- *waiting*: dirty, and its turn will come (each key once, first in, first out);
- *processing*: a worker looks at it now.

Adding a key that is dirty already does nothing: one look sees all changes. Adding a key
that is being processed marks it dirty but does not hand it to a second worker; it gets its
turn when the first one is done. So no key is ever worked on twice at a time, and no change
is missed however it falls.

All methods belong to one event loop; none may be called from another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.metrics import ControllerMetrics

K = TypeVar("K", bound=Hashable)


class QueueClosed(Exception):
    """The queue was closed; its workers should end."""


class WorkQueue(Generic[K]):
    """See the module.

    Args:
        name: for metrics.
        backoff: the waits of failing keys, each key by its own failures.
    """

    def __init__(self, name: str, metrics: ControllerMetrics, backoff: Backoff | None = None) -> None:
        self.name = name
        # Looked up once: each look takes longer than what it counts.
        self._adds, self._retries = metrics.adds.labels(name), metrics.retries.labels(name)
        self._queue_seconds = metrics.queue_seconds.labels(name)
        self._work_seconds = metrics.work_seconds.labels(name)
        self._backoff = backoff or Backoff()
        self._waiting: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._entered: dict[K, float] = {}
        self._started: dict[K, float] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._closed = False
        metrics.depth.labels(name).set_function(lambda: len(self._waiting))
        metrics.unfinished.labels(name).set_function(lambda: sum(self._ages()))
        metrics.longest.labels(name).set_function(lambda: max(self._ages(), default=0.0))

    def __len__(self) -> int:
        """Returns how many keys wait for a worker."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """True if no key waits and none is processed; keys of `add_after` do not count before their time."""
        return not self._waiting and not self._processing

    def add(self, key: K) -> None:
        """Says that `key` is to be looked at."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        self._adds.inc()
        if key not in self._processing:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Adds `key` once `seconds` have passed; of several such promises the earliest holds."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None and known.when() <= loop.time() + seconds:
            return
        if known is not None:
            known.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def add_failed(self, key: K) -> float:
        """Adds `key` after its back-off, which grows with each call; returns the seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(self._failures[key])
        self._retries.inc()
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Ends the row of failures of `key`: its next back-off is the first again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Waits for a key and takes it; the caller owes a `done(key)`. Raises QueueClosed."""
        while not self._waiting:
            if self._closed:
                raise QueueClosed(self.name)
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            await self._wait_turn(taker)
        return self._take()

    def done(self, key: K) -> None:
        """Ends the processing of `key`; if it was added meanwhile, it waits for its turn again."""
        self._processing.discard(key)
        started = self._started.pop(key, None)
        if started is not None:
            self._work_seconds.observe(asyncio.get_running_loop().time() - started)
        if key in self._dirty and not self._closed:
            self._enqueue(key)

    def close(self) -> None:
        """Forgets what waits and ends every `get`."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()
        self._dirty.clear()
        while self._takers:
            self._wake_one()

    def _enqueue(self, key: K) -> None:
        self._waiting.append(key)
        self._entered[key] = asyncio.get_running_loop().time()
        self._wake_one()

    def _take(self) -> K:
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        now = asyncio.get_running_loop().time()
        self._started[key] = now
        self._queue_seconds.observe(now - self._entered.pop(key, now))
        return key

    async def _wait_turn(self, taker: asyncio.Future[None]) -> None:
        try:
            await taker
        except asyncio.CancelledError:
            if taker in self._takers:
                self._takers.remove(taker)
            elif self._waiting:
                # It was woken for a key that it will not take: somebody else must.
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _ages(self) -> list[float]:
        # A scrape may come from another thread: the list is made in one step.
        now = time.monotonic()
        return [now - started for started in list(self._started.values())]

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
