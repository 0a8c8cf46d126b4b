"""One kept HTTP/1.1 connection to a pod: a request at a time, and its answer as it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

# What may wait to be read before the other side is told to wait, in bytes.
_WAITING = 256 * 1024


class Broken(Exception):
    """The connection ended before the answer was complete."""


class Wire(asyncio.Protocol):
    """A connection. `ask`, then `read` until it returns nothing; then it may be asked again."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = True
        """Nothing of an answer is still to come."""
        self.kept = True
        """The other side keeps the connection open after an answer."""
        self._transport: asyncio.Transport | None = None
        self._parts: deque[bytes] = deque()
        self._waiting = 0
        self._paused = False
        self._lost = ""
        self._begun = False
        self._changed: asyncio.Future[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self.complete and self.kept and not self._lost and self._transport is not None

    async def ask(self, request: bytes) -> None:
        """Sends a request and waits for the head of its answer. Raises Broken."""
        from httptools import HttpResponseParser

        assert self._transport is not None and self.complete
        self.status, self.headers, self.complete, self._begun = 0, {}, False, False
        self._parser = HttpResponseParser(self)
        self._transport.write(request)
        while not self._begun:
            await self._change()

    async def read(self) -> bytes:
        """Returns more of the answer's body, nothing at its end. Raises Broken."""
        while not self._parts:
            if self.complete:
                return b""
            await self._change()
        part = self._parts.popleft()
        self._waiting -= len(part)
        if self._paused and self._waiting <= _WAITING and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return part

    def close(self) -> None:
        """Closes it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _change(self) -> None:
        if self._lost:
            raise Broken(self._lost)
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.complete:  # nobody has asked
            self._fail("it spoke without being asked")
            return
        try:
            self._parser.feed_data(data)
        except Exception as error:
            self._fail(f"it does not speak HTTP: {error}")
        self._tell()

    def _fail(self, reason: str) -> None:
        self._lost = self._lost or reason
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._begun and not self.complete and error is None and not self._lost and self._until_the_end():
            self.complete, self.kept = True, False
        self._lost = self._lost or (str(error) if error else "the connection was closed")
        self._tell()

    def _until_the_end(self) -> bool:
        """Whether the body has no length, and so ends with the connection."""
        return not {b"content-length", b"transfer-encoding"} & self.headers.keys()

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Takes the end of the head."""
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._begun, self.kept = True, self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Takes a part of the body."""
        self._parts.append(part)
        self._waiting += len(part)
        if not self._paused and self._waiting > _WAITING and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Takes the end of the answer; one that only says to go on is none."""
        if self._begun:
            self.complete = True
        else:
            self.headers = {}
