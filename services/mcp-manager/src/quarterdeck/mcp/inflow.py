"""What a server process writes, as messages: bounded, skipping what is none, and never for long at a time.

Lines are handled as they arrive, without a task in between, because that is what most of the time of a quick
call would go into. Whatever takes longer (a large answer, a flood) pauses the pipe and goes on in a task.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from quarterdeck.common import codec
from quarterdeck.mcp.constants import INLINE_BYTES, READ_SLICE
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.framing import LineSplitter, Oversized
from quarterdeck.mcp.noise import LineLog
from quarterdeck.mcp.process import ServerProcess


class Inflow:
    """Reads messages from a process.

    Args:
        process: a running server.
        exchange: the connection's requests in flight.
        stray: takes the lines that are no messages.
        on_message: takes each message; it must not raise.
    """

    def __init__(
        self,
        process: ServerProcess,
        exchange: Exchange,
        stray: LineLog,
        on_message: Callable[[dict[str, Any]], None],
    ) -> None:
        self._process = process
        self._exchange = exchange
        self._stray = stray
        self._on_message = on_message
        self._splitter = LineSplitter(exchange.limit)
        self._backlog: deque[bytes] = deque()
        self._lines = self._arriving()
        self._slow: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Reads until the output ends."""
        self._process.divert(self._on_output)
        await self._process.output_ended.wait()
        while self._slow is not None:
            await asyncio.wait([self._slow])
        for line in self._splitter.finish():
            await self._take_large(line)

    def _on_output(self, data: bytes) -> None:
        self._backlog.append(data)
        if self._slow is None:
            self._proceed()

    def _arriving(self) -> Iterator[bytes | Oversized | None]:
        """Yields lines for ever; None when there is none for now."""
        while True:
            if self._backlog:
                yield from self._splitter.feed(self._backlog.popleft())
            else:
                yield None

    def _proceed(self) -> None:
        """Takes lines until there are none, or others must have their turn."""
        began = time.perf_counter()
        while (line := next(self._lines)) is not None:
            if isinstance(line, Oversized) or len(line) > INLINE_BYTES:
                return self._continue_after(self._take_large(line))
            self._take(line)
            if time.perf_counter() - began > READ_SLICE:
                # As long a pause as the work took: a flood gets half of the loop at most.
                return self._continue_after(asyncio.sleep(READ_SLICE))
        return None

    def _continue_after(self, work: Coroutine[Any, Any, None]) -> None:
        self._process.pause()
        self._slow = asyncio.create_task(self._go_on(work))

    async def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        self._slow = None
        self._process.resume()
        self._proceed()

    async def _take_large(self, line: bytes | Oversized) -> None:
        admitted = await self._exchange.admit(line)
        if admitted is not None:
            self._take(admitted)

    def _take(self, line: bytes) -> None:
        """Reads one line; one that is no message goes to the log, or fails the request it answers."""
        stripped = line.strip()
        if not stripped.startswith(b"{"):
            if stripped:
                self._stray.add(stripped)
            return
        try:
            message = codec.loads(stripped)
        except ValueError as error:
            self._stray.add(stripped)
            substitute = self._exchange.unreadable(stripped, str(error))
            message = None if substitute is None else codec.loads(substitute)
        if message is not None:
            self._on_message(message)
