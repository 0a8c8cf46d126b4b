"""A provider's keys, kept: asked for anew from time to time, and when a token names one that is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from quarterdeck.common.errors import Unavailable

# Seconds after which keys are asked for again, and that those of a provider that is away count.
FRESH, STANDING = 600.0, 86400.0
# Seconds between two questions: tokens with made-up key ids ask no more often.
LEAST_PAUSE = 10.0

Fetch = Callable[[], Awaitable[dict[str, dict[str, Any]]]]


class KeySet:
    """The public keys of one provider.

    Args:
        fetch: asks for all of them. Raises Unavailable.
        clock: seconds that only grow.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, dict[str, Any]] = {}
        self._known_at = self._asked_at = float("-inf")
        self._failure: Unavailable | None = None
        self._asking = asyncio.Lock()

    async def find(self, key_id: str) -> dict[str, Any] | None:
        """Returns a key; None if the provider has none of that id.

        Raises:
            Unavailable: the provider does not answer, and its keys are not known, or too old.
        """
        if key_id not in self._keys or self._clock() - self._known_at > FRESH:
            await self._refresh(key_id)
        return self._keys.get(key_id)

    async def _refresh(self, key_id: str) -> None:
        """Asks, unless somebody has just asked. Keys that are known stand while the provider is away."""
        async with self._asking:
            now = self._clock()
            if key_id in self._keys and now - self._known_at <= FRESH:
                return
            if now - self._asked_at >= LEAST_PAUSE:
                await self._ask(now)
            if self._failure is not None and not (key_id in self._keys and now - self._known_at <= STANDING):
                raise self._failure

    async def _ask(self, now: float) -> None:
        self._asked_at = now
        try:
            self._keys, self._failure = await self._fetch(), None
            self._known_at = now
        except Unavailable as error:
            self._failure = error
