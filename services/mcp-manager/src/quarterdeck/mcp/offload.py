"""Our side of the worker process: started at first use, ended when idle, replaced when it hangs or dies."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp.process import Command, ServerProcess, start
from quarterdeck.mcp.schema import BadSchema, Problem
from quarterdeck.mcp.worker import LENGTHS, pack

# Longest an operation may take before it is given up, and idle time before the worker is ended, in seconds.
TIMEOUT = 20.0
IDLE = 60.0


class Unreadable(Exception):
    """An answer that is not what it should be; the message says why."""


@dataclass(frozen=True, slots=True)
class Payload:
    """An answer to a call that was read elsewhere: its value as JSON, and what a failed tool says."""

    id: int | str | None
    is_error: bool
    value_json: bytes
    text: str
    problem: Problem | None


class Offload:
    """Runs one operation at a time in the worker process.

    Args:
        locks: where processes leave a sign of life, see `incarnation.py`.
    """

    def __init__(self, locks: Path) -> None:
        self._locks = locks
        self._lock = asyncio.Lock()
        self._process: ServerProcess | None = None
        self._received = bytearray()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def read_answer(self, line: bytes, schema: dict[str, Any] | None = None) -> Payload:
        """Reads an answer to a call of any size. Raises Unreadable, or Unavailable if the worker fails."""
        header, body = await self._ask({"op": "answer", "schema": schema}, line)
        if "failure" in header:
            raise Unreadable(header["failure"])
        return Payload(header["id"], header["isError"], body, header["text"], _problem(header.get("problem")))

    async def find_problem(self, schema: dict[str, Any], document: bytes) -> Problem | None:
        """Validates a document. Raises BadSchema, or Unavailable if it takes too long."""
        header, _ = await self._ask({"op": "validate", "schema": schema}, document)
        if "failure" in header:
            raise BadSchema(header["failure"])
        return _problem(header["problem"])

    async def close(self) -> None:
        """Ends the worker."""
        async with self._lock:
            await self._drop()
        await asyncio.gather(*self._ending)

    async def _ask(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        async with self._lock:
            self._stop_idle_timer()
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await self._exchange(header, body)
            except TimeoutError:
                await self._drop()
                raise Unavailable(f"checking took longer than {TIMEOUT:g} s and was given up") from None
            except OSError as error:
                await self._drop()
                raise Unavailable(f"the checking process failed: {error}") from error
            except asyncio.CancelledError:
                # Half an exchange is worse than a new process.
                await self._drop()
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE, self._end_when_idle)

    async def _exchange(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._process or await self._start()
        if not (process.write(pack(header, len(body))) and process.write(body)):
            raise BrokenPipeError("it has ended")
        sizes = LENGTHS.unpack(await self._receive(process, LENGTHS.size))
        answer: dict[str, Any] = codec.loads(await self._receive(process, sizes[0]))
        return answer, await self._receive(process, sizes[1])

    async def _receive(self, process: ServerProcess, size: int) -> bytes:
        while len(self._received) < size:
            chunk = await process.read()
            if not chunk:
                raise BrokenPipeError("it ended in the middle of an answer")
            self._received += chunk
        with memoryview(self._received) as received:
            data = bytes(received[:size])
        del self._received[:size]
        return data

    async def _start(self) -> ServerProcess:
        arguments = (sys.executable, "-s", "-m", "quarterdeck.mcp.worker")
        command = Command(arguments, dict(os.environ), None, self._locks)
        self._process = await start(command, _pass_on)
        return self._process

    def _stop_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_when_idle(self) -> None:
        if not self._lock.locked():
            task = asyncio.create_task(self._drop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _drop(self) -> None:
        self._stop_idle_timer()
        process, self._process = self._process, None
        self._received.clear()
        if process is not None:
            await process.stop(grace=0.0)


def _problem(found: dict[str, str] | None) -> Problem | None:
    return None if found is None else Problem(found["path"], found["message"])


def _pass_on(data: bytes) -> None:
    """Shows what the worker says on its standard error; it says nothing unless it is broken."""
    sys.stderr.write(data.decode("utf-8", "replace"))
