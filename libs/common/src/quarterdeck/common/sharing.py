"""One answer for many who ask the same: who comes while an answer is under way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Asks a question again and again, never twice at once.

    Nobody gets an answer to a question that was put before they came: it may be older than what they know.

    Args:
        ask: puts the question. It runs in the context of the first of those who share its answer.
    """

    def __init__(self, ask: Callable[[K], Awaitable[V]]) -> None:
        self._ask = ask
        self._under_way: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def __call__(self, key: K) -> V:
        """Returns the answer for `key`, or raises what asking raised."""
        shared = self._next.get(key)
        if shared is None:
            shared = self._next[key] = asyncio.create_task(self._answer(key, self._under_way.get(key)))
            # It may be that nobody waits for it any more when it fails.
            shared.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(shared)

    async def _answer(self, key: K, before: asyncio.Task[V] | None) -> V:
        if before is not None:
            await asyncio.wait([before])
        self._under_way[key] = self._next.pop(key)
        try:
            return await self._ask(key)
        finally:
            if self._under_way[key] is asyncio.current_task():
                del self._under_way[key]
