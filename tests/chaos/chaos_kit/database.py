"""Looks into the runtime's scheduling tables from outside, past the proxy."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import asyncpg

# What a server says, or the driver, while it is killed, away, or comes back.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Database:
    """A connection of the test's own, used from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection[Any] | None = None
        threading.Thread(target=self._loop.run_forever, name="peek", daemon=True).start()

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Returns the rows of a query; connects again when the server was away."""
        asked = asyncio.run_coroutine_threadsafe(self._rows(query, *arguments), self._loop)
        return asked.result(60)

    async def _rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self._lock:
            while True:
                try:
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await asyncpg.connect(self._url)
                    return list(await self._connection.fetch(query, *arguments))
                except AWAY:
                    if self._connection is not None:
                        self._connection.terminate()
                    self._connection = None
                    await asyncio.sleep(0.2)

    def close(self) -> None:
        """Ends the connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
