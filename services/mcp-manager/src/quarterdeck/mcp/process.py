"""A local tool server as a child process under the launcher."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.mcp import incarnation
from quarterdeck.mcp.constants import STOP_GRACE, TERM_GRACE
from quarterdeck.mcp.pipes import Input, Output

LAUNCHER = Path(__file__).with_name("launcher.py")
# Output that may wait to be read before the pipe is paused, in bytes.
_HIGH_WATER = 1 << 20
# Beyond the launcher's own patience with a tree that does not end, in seconds.
_GIVE_UP = 15.0
_POLL = 0.002


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: arguments, the whole environment, the working directory, and where locks are kept."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None
    locks: Path


class ServerProcess:
    """A running server: its pipes and its end.

    The child is started and watched without the event loop's own subprocess support: its end shows as the
    end of the socket that the launcher holds, which needs neither a signal handler nor a thread, works on
    every loop, and leaves forking to `subprocess`, which does it without running anybody's fork handlers.

    Args:
        child: the launcher.
        control: our end of the socket whose closing tells the launcher to end the server.
        name: the incarnation, see `incarnation.py`.
    """

    def __init__(self, child: subprocess.Popen[bytes], control: socket.socket, name: str) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._child = child
        self._control = control
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._readable = asyncio.Event()
        self._stopping = False
        self.incarnation = name
        self.output_ended = asyncio.Event()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._on_output: Callable[[bytes], None] = self._keep

    @property
    def pid(self) -> int:
        """Process id of the launcher."""
        return self._child.pid

    async def connect(self, on_stderr: Callable[[bytes], None]) -> None:
        """Connects the pipes to the event loop."""
        loop, child = self._loop, self._child
        self._in = Input()
        stdin, _ = await loop.connect_write_pipe(lambda: self._in, child.stdin)
        output = Output(self._take, self._end_output)
        stdout, _ = await loop.connect_read_pipe(lambda: output, child.stdout)
        errors = Output(on_stderr, lambda: None)
        self._stderr, _ = await loop.connect_read_pipe(lambda: errors, child.stderr)
        self._stdin: asyncio.WriteTransport = stdin
        self._stdout: asyncio.ReadTransport = stdout
        loop.add_reader(self._control, self._on_control)

    def _on_control(self) -> None:
        """The launcher has let go of its end: it is ending, or has ended."""
        self._close_control()
        self._collect()

    def _collect(self) -> None:
        status = self._child.poll()
        if status is None:
            self._loop.call_later(_POLL, self._collect)
        elif not self.exited.done():
            # A launcher that was killed itself has a negative status.
            self.exited.set_result(status if status >= 0 else 128 - status)

    def _close_control(self) -> None:
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()

    def _end_output(self) -> None:
        self.output_ended.set()
        self._readable.set()

    def _take(self, data: bytes) -> None:
        self._on_output(data)

    def _keep(self, data: bytes) -> None:
        self._chunks.append(data)
        self._waiting += len(data)
        self._readable.set()
        if self._waiting > _HIGH_WATER:
            self.pause()

    def divert(self, on_output: Callable[[bytes], None]) -> None:
        """Hands output to `on_output` as it comes, instead of keeping it for `read`."""
        self._on_output = on_output
        self._waiting = 0
        while self._chunks:
            on_output(self._chunks.popleft())

    async def read(self) -> bytes:
        """Returns the next chunk of the server's output, empty at its end."""
        while not self._chunks:
            if self.output_ended.is_set():
                return b""
            self._readable.clear()
            await self._readable.wait()
        chunk = self._chunks.popleft()
        was_full = self._waiting > _HIGH_WATER
        self._waiting -= len(chunk)
        if was_full and self._waiting <= _HIGH_WATER:
            self.resume()
        return chunk

    def pause(self) -> None:
        """Takes no more output for now: the server waits when its pipe is full."""
        if not self.output_ended.is_set() and not self._stopping:
            with contextlib.suppress(RuntimeError):  # it is paused already
                self._stdout.pause_reading()

    def resume(self) -> None:
        """Takes output again."""
        if not self.output_ended.is_set():
            with contextlib.suppress(RuntimeError):  # it was not paused
                self._stdout.resume_reading()

    def write(self, data: bytes) -> bool:
        """Sends to the server's input; False if it is closed. See `drain`."""
        if self._stdin.is_closing():
            return False
        self._stdin.write(data)
        return True

    async def drain(self) -> None:
        """Waits while the server's input is full."""
        if not self._in.writable.is_set():
            await self._in.writable.wait()

    async def stop(self, grace: float | None = None) -> int:
        """Ends the server and everything it started; returns its exit status.

        Its input is closed first. A server that has not ended after `grace` seconds (`STOP_GRACE`) loses its
        launcher's patience: SIGTERM, then SIGKILL to the whole tree.
        """
        self._stdin.close()
        self._discard_output()
        try:
            if not await self._exits_within(STOP_GRACE if grace is None else grace):
                with contextlib.suppress(OSError):  # it may have ended just now
                    self._control.shutdown(socket.SHUT_WR)
                if not await self._exits_within(TERM_GRACE + _GIVE_UP):
                    self._child.kill()
                    await self._exits_within(TERM_GRACE)
        finally:
            self._close_control()
            if not self._in.lost:
                self._stdin.abort()
            self._stdout.close()
            self._stderr.close()
        return self.exited.result() if self.exited.done() else 128 + signal.SIGKILL

    def _discard_output(self) -> None:
        """Reads on without keeping anything: a server that waits for its output to be taken cannot end."""
        self._chunks.clear()
        self._on_output = lambda _: None
        self.resume()
        self._stopping = True

    async def _exits_within(self, seconds: float) -> bool:
        done, _ = await asyncio.wait([self.exited], timeout=seconds)
        return bool(done)


async def start(command: Command, on_stderr: Callable[[bytes], None]) -> ServerProcess:
    """Starts a server. Raises OSError if the launcher cannot be started or the directory does not exist.

    Args:
        command: what to start.
        on_stderr: receives what the server writes to its standard error, as it comes.
    """
    began = incarnation.begin(command.locks)
    ours, theirs = socket.socketpair()
    try:
        child = _spawn(command, theirs.fileno(), began.descriptor)
    except BaseException:
        ours.close()
        os.close(began.descriptor)
        incarnation.is_dead(command.locks, began.id)
        raise
    finally:
        theirs.close()
    os.close(began.descriptor)
    ours.setblocking(False)
    process = ServerProcess(child, ours, began.id)
    await process.connect(on_stderr)
    return process


def _spawn(command: Command, control: int, lock: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-I", "-S", str(LAUNCHER), str(control), str(TERM_GRACE), "--"]
    return subprocess.Popen(
        [*arguments, *command.arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=dict(command.environment),
        cwd=command.directory,
        pass_fds=(control, lock),
        start_new_session=True,
    )


def describe_exit(status: int) -> str:
    """Says how a server ended, from its launcher's exit status."""
    if status == 127:
        return "could not be started"
    if status > 128:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(status - 128).name}"
    return f"ended with exit status {status}"
