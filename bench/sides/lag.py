"""How late an event loop comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time

STEP = 0.005


class Lag:
    """Watches the running loop while it is entered."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Lag:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watching is not None
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching

    async def _watch(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(STEP)
            self._seconds.append(time.perf_counter() - asked - STEP)

    def at(self, share: float) -> float:
        """Returns the lag in milliseconds that `share` of the looks stayed below; 0 after none."""
        ordered = sorted(self._seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0
