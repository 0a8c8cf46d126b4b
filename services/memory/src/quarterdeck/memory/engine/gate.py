"""Many writers or one rebuild: who may change a collection now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Lets writers pass together, and waits for them all before it lets one exclusive user in."""

    def __init__(self) -> None:
        self._writers = 0
        self._exclusive = asyncio.Lock()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Passes with other writers, after an exclusive user has left."""
        async with self._exclusive:
            self._writers += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers:
                self._empty.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keeps new writers out and waits for those inside to leave."""
        async with self._exclusive:
            await self._empty.wait()
            yield
