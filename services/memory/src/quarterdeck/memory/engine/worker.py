"""One engine process as the service sees it: calls, death, restart."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.memory.engine.frames import PREFIX_BYTES, lengths, pack, parse_header

PROGRAM = "quarterdeck.memory.engine.child"
BACKOFF_FIRST, BACKOFF_MOST = 0.1, 30.0
# A process that lived this long was healthy: its death starts the back-off anew.
HEALTHY_SECONDS = 30.0
# A caller waits this long for a restart; longer back-offs are answered at once.
PATIENCE = 2.0
CLOSE_SECONDS = 5.0

Answer = tuple[Any, bytes]
Failure = Callable[[str, str], QuarterdeckError]


class Worker:
    """An engine process that is started on first use and again after it died.

    Args:
        root: the engine's directory.
        lock: descriptor of the directory's lock, inherited by the process.
        died: called when the process ends without being asked to.
    """

    def __init__(self, root: Path, lock: int, died: Callable[[], None] = lambda: None) -> None:
        self._root = root
        self._lock = lock
        self._died = died
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._delay = 0.0
        self._start_after = 0.0
        self._closed = False

    @property
    def process_id(self) -> int:
        """The process's id; 0 while none runs."""
        return self._process.pid if self._process is not None and self._writer is not None else 0

    async def call(self, header: dict[str, Any], body: bytes, failure: Failure) -> Answer:
        """Sends a request and returns (result, body) of the answer.

        Args:
            failure: makes the error to raise from the kind and message of a refusal.

        Raises:
            Unavailable: the process died before it answered, or cannot be started now.
        """
        writer = await self._connected()
        request_id = next(self._ids)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        try:
            writer.write(pack({"id": request_id, **header}, body))
            with contextlib.suppress(ConnectionError):  # the reader tells everybody who waits
                await writer.drain()
            return await future
        except _Refused as refused:
            raise failure(refused.kind, refused.message) from None
        finally:
            self._pending.pop(request_id, None)

    async def close(self) -> None:
        """Ends the process and waits for it."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            await asyncio.to_thread(_end, self._process)
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._starting:
            if self._closed:
                raise Unavailable("the vector engine is closed")
            if self._writer is None:
                await self._wait_for_turn()
                self._writer = await self._start()
            return self._writer

    async def _wait_for_turn(self) -> None:
        wait = self._start_after - time.monotonic()
        if wait > PATIENCE:
            raise Unavailable(
                f"the vector engine crashed repeatedly; the next start is in {wait:.0f} s",
                hint="see the service's log; requests succeed again once it starts",
                reason="EngineCrashLoop",
                retry_after=wait,
            )
        if wait > 0:
            await asyncio.sleep(wait)

    async def _start(self) -> asyncio.StreamWriter:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", PROGRAM, str(self._root)]
        command += [str(theirs.fileno()), str(self._lock), str(os.getpid())]
        self._started_at = time.monotonic()
        try:
            # Started on the loop's own thread: the kernel ends the process with the thread that started it.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                command, pass_fds=(theirs.fileno(), self._lock), stdin=subprocess.DEVNULL
            )
        except OSError as error:
            ours.close()
            raise Unavailable(f"the vector engine's process cannot be started: {error}") from error
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader, writer, self._process))
        return writer

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: subprocess.Popen[bytes]
    ) -> None:
        """Hands out answers until the process is gone, then tells everybody who waits."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            while True:
                header_size, body_size = lengths(await reader.readexactly(PREFIX_BYTES))
                header = parse_header(await reader.readexactly(header_size))
                self._resolve(header, await reader.readexactly(body_size) if body_size else b"")
        writer.close()
        self._writer = None
        if not self._closed:
            self._back_off()
            self._died()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(_lost())
        if process.poll() is None and not self._closed:
            process.kill()
        await asyncio.to_thread(process.wait)

    def _resolve(self, header: dict[str, Any], body: bytes) -> None:
        future = self._pending.get(header["id"])
        if future is None or future.done():
            return
        error = header.get("error")
        if error is not None:
            future.set_exception(_Refused(error["kind"], error["message"]))
        else:
            future.set_result((header["result"], body))

    def _back_off(self) -> None:
        if time.monotonic() - self._started_at > HEALTHY_SECONDS:
            self._delay = 0.0
        self._start_after = time.monotonic() + self._delay
        self._delay = min(max(self._delay * 2, BACKOFF_FIRST), BACKOFF_MOST)


class _Refused(Exception):
    """The process answered with an error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def _lost() -> Unavailable:
    return Unavailable(
        "the vector engine's process died before it answered",
        hint="it restarts by itself; try again",
        reason="EngineRestarted",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
