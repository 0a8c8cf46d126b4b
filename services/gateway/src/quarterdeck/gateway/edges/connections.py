"""Connections that bring a request's head in time and in size, or are closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# From the beginning of a connection, or of a further request on it, to the end of the head.
HEAD_SECONDS = 20.0
# Of request line and headers. One packet more is read before it is noticed.
HEAD_BYTES = 64 * 1024

_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which itself waits for a head as long as it takes and keeps whatever comes."""

    _timer: asyncio.TimerHandle | None = None
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._timer is not None:
            self._read += len(data)
            if self._read > HEAD_BYTES:
                self._refuse(_LARGE)

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_begin()
        if self._timer is None:
            self._begin()

    def on_headers_complete(self) -> Any:
        """See `HttpToolsProtocol`."""
        self._end()
        return super().on_headers_complete()

    def _begin(self) -> None:
        self._read = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, _LATE)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, answer: bytes) -> None:
        """Answers, unless the answer to an earlier request is still on its way; then closes."""
        self._end()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()
