"""Moves a collection that has grown large, and builds its graph index, without anybody waiting.

The engine builds an index inside one call, for seconds to minutes. So the files are copied,
a process of its own indexes the copy, what was written meanwhile is carried over, and only
then does the copy take the original's place. A crash at any point leaves the original. The
first time this is done without the index, to move out of the process that others share.

    copy (writes wait)  ->  index  ->  open beside the original  ->  carry over in pages
    ->  carry over the rest (writes wait)  ->  name the copy as current  ->  let the original go
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.engine.layout import read_description
from quarterdeck.memory.engine.routes import Route, Routes
from quarterdeck.memory.engine.worker import Worker

PROGRAM = "quarterdeck.memory.engine.indexer"
# Vectors outside the graph that a plain scan still searches within some ten milliseconds.
INDEX_BYTES = 64 * 1024 * 1024
# Later rebuilds wait for this share of growth, so that their total cost stays proportional.
GROWTH = 0.25
PAGE = 256
# Changes that may be left when writes are made to wait.
FEW = 2 * PAGE
# A rebuild that failed is tried again after this long.
RETRY_SECONDS = 60.0

_log = logging.getLogger(__name__)


def is_due(route: Route, index_bytes: int) -> bool:
    """True when enough vectors are outside the graph."""
    return route.unindexed * route.size * 4 >= index_bytes and route.unindexed >= route.indexed * GROWTH


class Rebuilding:
    """Rebuilds the collections of one engine, one index at a time.

    Args:
        index_bytes: vectors not in a graph index yet, in bytes, that start a rebuild.
    """

    def __init__(self, routes: Routes, index_bytes: int) -> None:
        self._routes = routes
        self._index_bytes = index_bytes
        self._one_index = asyncio.Lock()

    def start_if_due(self, key: CollectionKey, route: Route) -> None:
        """Starts a rebuild when enough vectors are outside the graph."""
        if is_due(route, self._index_bytes):
            route.rebuilding = asyncio.create_task(self._rebuild(key, route), name=f"rebuild {key.name}")

    async def _rebuild(self, key: CollectionKey, route: Route) -> None:
        """Rebuilds and swaps; a failure is logged, leaves everything as it was and is tried again later."""
        try:
            if route.shared:
                await self._renew(key, route, index=False)
            while is_due(route, self._index_bytes):
                async with self._one_index:
                    await self._renew(key, route, index=True)
        except (QuarterdeckError, OSError) as error:
            route.rebuild_after = time.monotonic() + RETRY_SECONDS
            _log.warning("index of collection %s was not built: %s", key.name, error)
        finally:
            route.rebuilding = None

    async def _renew(self, key: CollectionKey, route: Route, *, index: bool) -> None:
        """Replaces the collection's data and process by a copy, indexed or as it is."""
        directory = self._routes.directory(key)
        description = await asyncio.to_thread(read_description, directory)
        if description is None:
            return
        target = description.next_directory()
        try:
            async with route.gate.exclusive():
                copied = await _ask(route.worker, key, {"op": "checkpoint", "target": target})
            if index:
                await _index(directory / target, self._routes.lock)
                copied["indexed"] = copied["points"]
            await self._replace(key, route, {"op": "open", "data": target, **copied})
        except BaseException:
            with contextlib.suppress(QuarterdeckError):
                await _ask(route.worker, key, {"op": "abandon"})
            await asyncio.to_thread(shutil.rmtree, directory / target, True)
            raise
        await asyncio.to_thread(shutil.rmtree, directory / description.current, True)

    async def _replace(self, key: CollectionKey, route: Route, opening: dict[str, Any]) -> None:
        successor = self._routes.new_worker()
        try:
            await _ask(successor, key, opening)
            await _take_over(key, route, successor)
        except BaseException:
            await successor.close()
            raise


async def _index(path: Path, lock: int) -> None:
    """Runs the indexer. Raises Unavailable if it fails."""
    command = [sys.executable, "-m", PROGRAM, str(path), str(lock), str(os.getpid())]
    process = subprocess.Popen(  # noqa: ASYNC220
        command, pass_fds=(lock,), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, complaint = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise Unavailable(f"the indexer ended with status {process.returncode}: {last}")


async def _take_over(key: CollectionKey, route: Route, successor: Worker) -> None:
    """Lets the successor catch up and makes it the collection's process."""
    predecessor, was_shared = route.worker, route.shared
    before, left = sys.maxsize, await _carry_over(predecessor, successor, key)
    # Under a flood of writes what is left may grow; then the writers have to wait for us.
    while FEW < left < before:
        before, left = left, await _carry_over(predecessor, successor, key)
    async with route.gate.exclusive():
        while await _carry_over(predecessor, successor, key):
            pass
        adopted = await _ask(successor, key, {"op": "adopt"})
        route.shared, route.worker = False, successor
        route.unindexed, route.indexed = int(adopted["unindexed"]), int(adopted["indexed"])
    if was_shared:
        with contextlib.suppress(QuarterdeckError):  # a process that died holds nothing any more
            await _ask(predecessor, key, {"op": "release"})
    else:
        await predecessor.close()


async def _carry_over(predecessor: Worker, successor: Worker, key: CollectionKey) -> int:
    """Moves a page of changes and returns how many are left."""
    request = {"op": "changes", "limit": PAGE, "collection": _name(key)}
    changes, vectors = await predecessor.call(request, b"", _failed)
    if changes["points"]:
        await _ask(successor, key, {"op": "upsert", "points": changes["points"]}, vectors)
    if changes["deleted"]:
        await _ask(successor, key, {"op": "delete", "ids": changes["deleted"]})
    return int(changes["left"])


async def _ask(worker: Worker, key: CollectionKey, header: dict[str, Any], body: bytes = b"") -> Any:
    result, _ = await worker.call({**header, "collection": _name(key)}, body, _failed)
    return result


def _name(key: CollectionKey) -> str:
    return f"{key.tenant_id}/{key.name}"


def _failed(kind: str, message: str) -> QuarterdeckError:
    return Unavailable(f"{kind}: {message}")
