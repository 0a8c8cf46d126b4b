"""Which process serves which collection: small ones share one, a large one has its own."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from quarterdeck.common.errors import Unavailable
from quarterdeck.memory.engine.gate import Gate
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.engine.layout import read_description
from quarterdeck.memory.engine.lock import lock_directory
from quarterdeck.memory.engine.worker import Worker

# A collection that was in flight at this many deaths in a row, without an answer between, is set aside.
STRIKES = 3


@dataclass(slots=True)
class Route:
    """Where a collection is served, and what is known about it."""

    worker: Worker
    gate: Gate = field(default_factory=Gate)
    shared: bool = True
    size: int = 0
    unindexed: int = 0
    indexed: int = 0
    in_flight: int = 0
    strikes: int = 0
    rebuilding: asyncio.Task[None] | None = None
    rebuild_after: float = 0.0

    @property
    def set_aside(self) -> bool:
        """True when opening the collection has ended its process too often."""
        return self.strikes >= STRIKES

    async def stop_rebuilding(self) -> None:
        """Ends the rebuild that is under way, if one is."""
        if self.rebuilding is not None:
            self.rebuilding.cancel()
            await asyncio.gather(self.rebuilding, return_exceptions=True)


class Routes:
    """The processes below one directory, and the collections they serve.

    Args:
        root: the directory; locked from `open` to `close`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.lock = -1
        self._shared: Worker | None = None
        self._routes: dict[CollectionKey, Route] = {}

    async def open(self) -> None:
        """Locks the directory. Raises Unavailable if another service has it."""
        self.lock = await lock_directory(self.root)
        self._shared = self.new_worker()

    async def close(self) -> None:
        """Ends rebuilds and processes, and lets the directory go."""
        for route in self._routes.values():
            await route.stop_rebuilding()
        workers = {route.worker for route in self._routes.values()} | {self.shared}
        await asyncio.gather(*(worker.close() for worker in workers))
        os.close(self.lock)

    @property
    def shared(self) -> Worker:
        """The process of the small collections. Raises Unavailable before `open`."""
        if self._shared is None:
            raise Unavailable("the vector engine is not open")
        return self._shared

    def new_worker(self) -> Worker:
        """Returns a worker; its process starts on first use."""
        worker: Worker
        worker = Worker(self.root, self.lock, died=lambda: self._strike(worker))
        return worker

    def directory(self, key: CollectionKey) -> Path:
        """Returns the directory of a collection."""
        return self.root / key.tenant_id / key.name

    def known(self, key: CollectionKey) -> Route | None:
        """Returns the route of a collection that is in use, None for any other."""
        return self._routes.get(key)

    def forget(self, key: CollectionKey) -> None:
        """The collection is gone."""
        self._routes.pop(key, None)

    async def to(self, key: CollectionKey) -> Route:
        """Returns the route of a collection; chooses its process on first use."""
        if key not in self._routes:
            large = await asyncio.to_thread(_is_large, self.directory(key))
            if key not in self._routes:  # another caller may have been quicker
                worker = self.new_worker() if large else self.shared
                self._routes[key] = Route(worker, shared=not large)
        return self._routes[key]

    def _strike(self, worker: Worker) -> None:
        for route in self._routes.values():
            if route.worker is worker and route.in_flight:
                route.strikes += 1


def _is_large(directory: Path) -> bool:
    try:
        description = read_description(directory)
    except ValueError:
        return False
    return description is not None and description.large
