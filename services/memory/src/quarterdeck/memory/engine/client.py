"""`VectorEngine` over Qdrant Edge in child processes.

All small collections share one process. The engine has no thread of its own and holds the
interpreter during every call, so writes are cut into slices, and a collection that has grown
large moves into a process of its own, where its graph index is built (`rebuild`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.memory.engine.conditions import Condition, encode
from quarterdeck.memory.engine.failures import corrupt, explain
from quarterdeck.memory.engine.frames import join_vectors
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
from quarterdeck.memory.engine.rebuild import INDEX_BYTES, Rebuilding
from quarterdeck.memory.engine.routes import Route, Routes
from quarterdeck.memory.engine.worker import Answer, Worker

# Numbers of float32 in one write: about 8 ms of the engine's time.
SLICE_NUMBERS = 128 * 1536
SLICE_POINTS_MOST = 512
# Slices on their way at once, over all callers: bounds the memory of both processes.
SLICES_IN_FLIGHT = 4


class EdgeEngine:
    """Collections below one directory.

    Args:
        root: the directory; locked until `close`.
        index_bytes: vectors not in a graph index yet, in bytes, that start a rebuild.
    """

    def __init__(self, root: Path, index_bytes: int = INDEX_BYTES) -> None:
        self._routes = Routes(root)
        self._rebuilding = Rebuilding(self._routes, index_bytes)
        self._slices = asyncio.Semaphore(SLICES_IN_FLIGHT)

    async def open(self) -> None:
        """Locks the directory. Raises Unavailable if another service has it."""
        await self._routes.open()

    async def ensure(self, key: CollectionKey, shape: Shape) -> None:
        """See `VectorEngine.ensure`."""
        header = {"op": "ensure", "size": shape.size, "distance": shape.distance}
        header["indexes"] = dict(shape.indexes)
        async with (await self._routes.to(key)).gate.writing():
            result, _ = await self._call(key, header)
        self._noticed(key, result, shape.size)

    async def upsert(self, key: CollectionKey, points: Sequence[Point]) -> None:
        """See `VectorEngine.upsert`."""
        step = slice_length(len(points[0].vector)) if points else 1
        async with (await self._routes.to(key)).gate.writing():
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
        async with (await self._routes.to(key)).gate.writing():
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
        route = await self._routes.to(key)
        await route.stop_rebuilding()
        async with route.gate.exclusive():
            # A collection that cannot be opened can still be dropped.
            with contextlib.suppress(QuarterdeckError):
                await self._call(key, {"op": "release"})
            await asyncio.to_thread(shutil.rmtree, self._routes.directory(key), True)
            self._routes.forget(key)
            if not route.shared:
                await route.worker.close()

    async def check(self) -> None:
        """See `VectorEngine.check`. A process that nothing needed yet is not started for this."""
        if not self.shared.process_id:
            return
        await self.shared.call({"op": "ping"}, b"", lambda _, message: Unavailable(message))

    async def close(self) -> None:
        """See `VectorEngine.close`."""
        await self._routes.close()

    @property
    def root(self) -> Path:
        """The directory of all collections."""
        return self._routes.root

    @property
    def shared(self) -> Worker:
        """The process of the small collections. Raises Unavailable before `open`."""
        return self._routes.shared

    def route(self, key: CollectionKey) -> Route:
        """Returns the route of a collection that is in use. Raises KeyError for any other."""
        route = self._routes.known(key)
        if route is None:
            raise KeyError(key)
        return route

    async def settled(self, key: CollectionKey) -> None:
        """Waits for the rebuild that is under way, if one is."""
        route = self._routes.known(key)
        if route is not None and route.rebuilding is not None:
            await asyncio.wait([route.rebuilding])

    async def _read(self, key: CollectionKey, header: dict[str, Any], body: bytes = b"") -> Answer:
        """Calls, and once more if the process died meanwhile: reading twice does no harm."""
        try:
            return await self._call(key, header, body)
        except Unavailable as error:
            if error.reason != "EngineRestarted":
                raise
            return await self._call(key, header, body)

    async def _call(self, key: CollectionKey, header: dict[str, Any], body: bytes = b"") -> Answer:
        route = await self._routes.to(key)
        directory = self._routes.directory(key)
        if route.set_aside:
            raise corrupt(key, directory, "opening it ended the engine's process several times")
        route.in_flight += 1
        try:
            named = {**header, "collection": f"{key.tenant_id}/{key.name}"}
            answer = await route.worker.call(
                named, body, lambda kind, message: explain(key, directory, kind, message)
            )
            route.strikes = 0
            return answer
        finally:
            route.in_flight -= 1

    def _noticed(self, key: CollectionKey, result: dict[str, Any], size: int) -> None:
        """Remembers how much is not indexed and starts a rebuild when that is too much."""
        route = self._routes.known(key)
        if route is None:
            return
        route.size = size
        route.unindexed, route.indexed = int(result["unindexed"]), int(result["indexed"])
        if route.rebuilding is None and time.monotonic() >= route.rebuild_after:
            self._rebuilding.start_if_due(key, route)


def slice_length(size: int) -> int:
    """Returns how many points with vectors of `size` numbers one slice holds."""
    return max(1, min(SLICE_POINTS_MOST, SLICE_NUMBERS // size))


def _form(condition: Condition | None) -> list[Any] | None:
    return None if condition is None else encode(condition)


async def _all_of(*awaitables: Any) -> None:
    """Awaits all of them, then raises the first error: nothing goes on behind the caller's back."""
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
