"""A TCP proxy between a client and its server that does, on request, what networks do on their own."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

_CHUNK = 65536


@dataclass(eq=False)
class _Pair:
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    flows: asyncio.Event = field(default_factory=asyncio.Event)


class FaultyProxy:
    """Forwards to `port` of the loopback until it is told otherwise.

    Attributes:
        listening: the proxy's own port, once started.
        accepted: how many connections it forwarded so far.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: set[_Pair] = set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self.listening = 0
        self.accepted = 0

    async def start(self) -> None:
        """Begins to listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.listening = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends everything."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def stall(self) -> None:
        """Present connections pass nothing from now on and are not closed: half open. New ones work."""
        for pair in self._pairs:
            pair.flows.clear()

    def cut(self) -> None:
        """Breaks present connections at once. New ones work."""
        for pair in list(self._pairs):
            for writer in pair.writers:
                writer.transport.abort()
            pair.flows.set()

    def refuse(self) -> None:
        """New connections are closed as soon as they are made."""
        self._refusing = True

    def admit(self) -> None:
        """New connections work again."""
        self._refusing = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self.accepted += 1
        pair = _Pair((writer, far_writer))
        pair.flows.set()
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, pair))
                group.create_task(_pump(far_reader, writer, pair))
        finally:
            self._pairs.discard(pair)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            await pair.flows.wait()
            writer.write(chunk)
            await writer.drain()
    writer.close()
