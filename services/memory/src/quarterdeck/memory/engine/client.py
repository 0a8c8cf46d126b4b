"""`VectorEngine` over Qdrant Edge in child processes.

All small collections share one process. The engine has no thread of its own and holds the
interpreter during every call, so writes are cut into slices, and a collection that has grown
large moves into a process of its own, where its graph index is built (`rebuild`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import FailedPrecondition, NotFound, QuarterdeckError, Unavailable
from quarterdeck.memory.engine import rebuild
from quarterdeck.memory.engine.conditions import Condition, encode
from quarterdeck.memory.engine.frames import join_vectors
from quarterdeck.memory.engine.gate import Gate
from quarterdeck.memory.engine.interface import (
    CollectionKey,
    Page,
    Point,
    Ranked,
    SearchAnswer,
    SearchQuery,
    Shape,
    Stored,
)
from quarterdeck.memory.engine.layout import read_description
from quarterdeck.memory.engine.lock import lock_directory
from quarterdeck.memory.engine.worker import Answer, Worker

# Numbers of float32 in one write: about 8 ms of the engine's time.
SLICE_NUMBERS = 128 * 1536
SLICE_POINTS_MOST = 512
# Slices on their way at once, over all callers: bounds the memory of both processes.
SLICES_IN_FLIGHT = 4
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


class EdgeEngine:
    """Collections below one directory.

    Args:
        root: the directory; locked until `close`.
        index_bytes: vectors not in a graph index yet, in bytes, that start a rebuild.
    """

    def __init__(self, root: Path, index_bytes: int = rebuild.INDEX_BYTES) -> None:
        self.root = root.absolute()
        self.index_bytes = index_bytes
        self.lock = -1
        self._shared: Worker | None = None
        self._routes: dict[CollectionKey, Route] = {}
        self._slices = asyncio.Semaphore(SLICES_IN_FLIGHT)
        self.one_index = asyncio.Lock()

    async def open(self) -> None:
        """Locks the directory. Raises Unavailable if another service has it."""
        self.lock = await lock_directory(self.root)
        self._shared = self.new_worker()

    async def ensure(self, key: CollectionKey, shape: Shape) -> None:
        """See `VectorEngine.ensure`."""
        header = {"op": "ensure", "size": shape.size, "distance": shape.distance}
        header["indexes"] = dict(shape.indexes)
        async with (await self._route(key)).gate.writing():
            result, _ = await self._call(key, header)
        self._noticed(key, result, shape.size)

    async def upsert(self, key: CollectionKey, points: Sequence[Point]) -> None:
        """See `VectorEngine.upsert`."""
        step = slice_length(len(points[0].vector)) if points else 1
        async with (await self._route(key)).gate.writing():
            slices = [points[start : start + step] for start in range(0, len(points), step)]
            await _all_of(*(self._upsert(key, part) for part in slices))

    async def _upsert(self, key: CollectionKey, points: Sequence[Point]) -> None:
        async with self._slices:
            rows = [{"id": point.id, "payload": point.payload} for point in points]
            body = join_vectors([point.vector for point in points])
            result, _ = await self._call(key, {"op": "upsert", "points": rows}, body)
        self._noticed(key, result, len(points[0].vector))

    async def delete(self, key: CollectionKey, ids: Sequence[str]) -> int:
        """See `VectorEngine.delete`."""
        deleted = 0
        async with (await self._route(key)).gate.writing():
            for start in range(0, len(ids), SLICE_POINTS_MOST):
                part = list(ids[start : start + SLICE_POINTS_MOST])
                result, _ = await self._call(key, {"op": "delete", "ids": part})
                deleted += int(result["deleted"])
        return deleted

    async def get(self, key: CollectionKey, ids: Sequence[str]) -> list[Stored]:
        """See `VectorEngine.get`."""
        result, _ = await self._read(key, {"op": "get", "ids": list(ids)})
        return [Stored(row["id"], row["payload"]) for row in result]

    async def search(self, key: CollectionKey, query: SearchQuery) -> SearchAnswer:
        """See `VectorEngine.search`."""
        header = {"op": "search", "text": query.text, "limit": query.limit, "where": _form(query.condition)}
        body = query.vector.tobytes() if query.vector is not None else b""
        result, _ = await self._read(key, header, body)
        return SearchAnswer(
            [Ranked(point_id, score) for point_id, score in result["dense"]],
            [Ranked(point_id, score) for point_id, score in result["sparse"]],
            result["payloads"],
        )

    async def scroll(
        self, key: CollectionKey, condition: Condition | None, limit: int, after: str | None = None
    ) -> Page:
        """See `VectorEngine.scroll`."""
        header = {"op": "scroll", "limit": limit, "after": after, "where": _form(condition)}
        result, _ = await self._read(key, header)
        return Page([Stored(row["id"], row["payload"]) for row in result["points"]], result["after"])

    async def count(self, key: CollectionKey, condition: Condition | None = None) -> int:
        """See `VectorEngine.count`."""
        result, _ = await self._read(key, {"op": "count", "where": _form(condition)})
        return int(result)

    async def drop(self, key: CollectionKey) -> None:
        """See `VectorEngine.drop`."""
        route = await self._route(key)
        await _cancelled(route.rebuilding)
        async with route.gate.exclusive():
            # A collection that cannot be opened can still be dropped.
            with contextlib.suppress(QuarterdeckError):
                await self._call(key, {"op": "release"})
            await asyncio.to_thread(shutil.rmtree, self.directory(key), True)
            self._routes.pop(key, None)
            if not route.shared:
                await route.worker.close()

    async def check(self) -> None:
        """See `VectorEngine.check`. A process that nothing needed yet is not started for this."""
        if not self.shared.process_id:
            return
        await self.shared.call({"op": "ping"}, b"", lambda _, message: Unavailable(message))

    async def close(self) -> None:
        """See `VectorEngine.close`."""
        for route in self._routes.values():
            await _cancelled(route.rebuilding)
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

    def route(self, key: CollectionKey) -> Route:
        """Returns the route of a collection that is in use."""
        return self._routes[key]

    async def settled(self, key: CollectionKey) -> None:
        """Waits for the rebuild that is under way, if one is."""
        route = self._routes.get(key)
        if route is not None and route.rebuilding is not None:
            await asyncio.wait([route.rebuilding])

    async def _route(self, key: CollectionKey) -> Route:
        if key not in self._routes:
            large = await asyncio.to_thread(_is_large, self.directory(key))
            if key not in self._routes:  # another caller may have been quicker
                worker = self.new_worker() if large else self.shared
                self._routes[key] = Route(worker, shared=not large)
        return self._routes[key]

    async def _read(self, key: CollectionKey, header: dict[str, Any], body: bytes = b"") -> Answer:
        """Calls, and once more if the process died meanwhile: reading twice does no harm."""
        try:
            return await self._call(key, header, body)
        except Unavailable as error:
            if error.reason != "EngineRestarted":
                raise
            return await self._call(key, header, body)

    async def _call(self, key: CollectionKey, header: dict[str, Any], body: bytes = b"") -> Answer:
        route = await self._route(key)
        if route.strikes >= STRIKES:
            raise self._corrupt(key, "opening it ended the engine's process several times")
        route.in_flight += 1
        try:
            named = {**header, "collection": f"{key.tenant_id}/{key.name}"}
            answer = await route.worker.call(
                named, body, lambda kind, message: self._failure(key, kind, message)
            )
            route.strikes = 0
            return answer
        finally:
            route.in_flight -= 1

    def _strike(self, worker: Worker) -> None:
        for route in self._routes.values():
            if route.worker is worker and route.in_flight:
                route.strikes += 1

    def _noticed(self, key: CollectionKey, result: dict[str, Any], size: int) -> None:
        """Remembers how much is not indexed and starts a rebuild when that is too much."""
        route = self._routes.get(key)
        if route is None:
            return
        route.size = size
        route.unindexed, route.indexed = int(result["unindexed"]), int(result["indexed"])
        waiting = route.rebuilding is None and time.monotonic() >= route.rebuild_after
        if waiting and rebuild.is_due(route, self.index_bytes):
            route.rebuilding = asyncio.create_task(rebuild.rebuild(self, key), name=f"rebuild {key.name}")

    def _failure(self, key: CollectionKey, kind: str, message: str) -> QuarterdeckError:
        match kind:
            case "corrupt":
                return self._corrupt(key, message)
            case "missing":
                return NotFound(f"collection {key.name!r} has no data yet", reason="CollectionMissing")
            case "mismatch":
                return FailedPrecondition(
                    f"collection {key.name!r} holds vectors of {message}",
                    field="spec.vector",
                    hint="keep that, or delete the collection and save its items again",
                    reason="DimensionMismatch",
                )
            case "full":
                return Unavailable(
                    f"the disk is full: {message}",
                    hint="free some space; the platform goes on by itself",
                    reason="DiskFull",
                )
        return Unavailable(f"the vector engine failed on collection {key.name!r}: {message}")

    def _corrupt(self, key: CollectionKey, message: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"the files of collection {key.name!r} in {self.directory(key)} cannot be read: {message}",
            hint="stop the platform and restore that directory from a backup, or move it away and "
            "save the items again",
            reason="CorruptCollection",
        )


def slice_length(size: int) -> int:
    """Returns how many points with vectors of `size` numbers one slice holds."""
    return max(1, min(SLICE_POINTS_MOST, SLICE_NUMBERS // size))


def _form(condition: Condition | None) -> list[Any] | None:
    return None if condition is None else encode(condition)


def _is_large(directory: Path) -> bool:
    try:
        description = read_description(directory)
    except ValueError:
        return False
    return description is not None and description.large


async def _all_of(*awaitables: Any) -> None:
    """Awaits all of them, then raises the first error: nothing goes on behind the caller's back."""
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
