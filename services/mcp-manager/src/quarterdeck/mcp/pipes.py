"""The three pipes of a child process as protocols of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Output(asyncio.Protocol):
    """Standard output, or standard error: hands chunks on."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._on_end()


class Input(asyncio.BaseProtocol):
    """Standard input: says when its pipe is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = False

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.lost = True
        self.writable.set()
