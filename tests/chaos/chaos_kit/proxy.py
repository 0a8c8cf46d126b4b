"""A TCP proxy on loopback that loses what it is told to lose: PostgreSQL's reply to a commit, or all."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from dataclasses import dataclass, field

from chaos_kit.wire import Frames, Reply, Statements

CHUNK = 65536


@dataclass(eq=False, slots=True)
class _Pair:
    """One client's connection and ours to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    requests: Frames = field(default_factory=lambda: Frames(untyped=True))
    statements: Statements = field(default_factory=Statements)
    # The reply that is held back, to be lost if the statement took effect.
    reply: Reply | None = None

    def cut(self) -> None:
        for side in (self.client, self.server):
            with contextlib.suppress(Exception):
                side.transport.abort()


@dataclass(slots=True)
class Faults:
    """What the proxy does just now, and how often it did it."""

    # So many of the next statements of a kind take effect while their replies do not come back.
    lose: Counter[str] = field(default_factory=Counter)
    # By kind: the server had said that it was done.
    lost: Counter[str] = field(default_factory=Counter)
    cut_connections: int = 0


@dataclass(slots=True)
class Proxy:
    """A proxy in a thread of its own. `port` is where it listens.

    Args:
        target: host and port of the server.
    """

    target: tuple[str, int]
    port: int = 0
    faults: Faults = field(default_factory=Faults)
    _pairs: set[_Pair] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Proxy:
        """Listens on a free loopback port."""
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Cuts every connection and ends."""
        self.cut_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join(10)

    def freeze(self) -> None:
        """Passes nothing on in either direction and tells nobody: every connection is half-open."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Passes on again what arrives."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def cut_all(self) -> None:
        """Cuts every connection at once."""
        asyncio.run_coroutine_threadsafe(self._cut_all(), self._loop).result(10)

    async def _cut_all(self) -> None:
        for pair in list(self._pairs):
            pair.cut()
            self.faults.cut_connections += 1

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, server_writer)
        self._pairs.add(pair)
        ways = (self._upwards(pair, reader), self._downwards(pair, server_reader))
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        pair.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pairs.discard(pair)

    async def _upwards(self, pair: _Pair, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            await self._thaw()
            for message in pair.requests.feed(data):
                kind = pair.statements.kind_of(message)
                if kind and pair.reply is None and self.faults.lose[kind] > 0:
                    self.faults.lose[kind] -= 1
                    pair.reply = Reply(kind, Frames(untyped=False))
            pair.server.write(data)
            await pair.server.drain()

    async def _downwards(self, pair: _Pair, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            await self._thaw()
            if (passed := self._heard(pair, data)) is None:
                return  # the server has committed and says so: now the line breaks
            pair.client.write(passed)
            await pair.client.drain()

    def _heard(self, pair: _Pair, data: bytes) -> bytes | None:
        """Returns what is passed on to the client; None when a reply is lost now."""
        reply = pair.reply
        if reply is None:
            return data
        effective = reply.hear(data)
        if effective is None:
            return b""
        if effective:
            self.faults.lost[reply.statement] += 1
            return None
        pair.reply = None
        self.faults.lose[reply.statement] += 1  # another one, then
        return reply.held

    async def _thaw(self) -> None:
        await self._flowing.wait()
