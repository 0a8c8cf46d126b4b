"""Kept connections to one pod: a free one is taken, another is made when there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from quarterdeck.mcp.direct.wire import Wire

# Seconds until a connection must be there, and for which one that nobody uses is kept: less than what servers
# keep it, so that they hardly ever close it at the moment in which it is used again.
_CONNECT_TIMEOUT = 30.0
_KEPT = 3.0


class Unreached(Exception):
    """There is no connection: nothing was sent."""


class PodClient:
    """Speaks to one endpoint.

    Args:
        url: of the endpoint; plain HTTP.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.place = url
        self._host, self._port = parts.hostname or "", parts.port or 80
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = f" {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._free: list[tuple[float, Wire]] = []
        self._open: set[Wire] = set()

    @asynccontextmanager
    async def send(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> AsyncIterator[Wire]:
        """Sends a request and yields the answer, of which the head is there.

        A connection on which something of the answer is left is closed: it is of no use any more.

        Raises:
            Unreached: it could not be sent.
            Broken: it was, and the answer did not come.
        """
        wire = self._take() or await self._connect()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            await wire.ask(f"{method}{self._head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            yield wire
        finally:
            self._give_back(wire)

    def _take(self) -> Wire | None:
        while self._free:
            since, wire = self._free.pop()
            if wire.usable and time.monotonic() - since < _KEPT:
                return wire
            self._drop(wire)
        return None

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                _, wire = await loop.create_connection(Wire, self._host, self._port)
        except OSError as error:  # a time-out is one, too
            raise Unreached(str(error) or type(error).__name__) from error
        self._open.add(wire)
        return wire

    def _give_back(self, wire: Wire) -> None:
        if wire.usable and wire in self._open:
            self._free.append((time.monotonic(), wire))
        else:
            self._drop(wire)

    def _drop(self, wire: Wire) -> None:
        self._open.discard(wire)
        wire.close()

    def close(self) -> None:
        """Closes every connection, also those on which an answer is awaited."""
        self._free.clear()
        for wire in list(self._open):
            self._drop(wire)
