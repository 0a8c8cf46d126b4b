"""The engine process: owns shards, answers frames from the service that started it.

    python -m quarterdeck.memory.engine.child ROOT SOCKET_FD LOCK_FD PARENT_PID

The engine holds the interpreter during its calls, so there is one thread of work. It takes
reads before writes (with a turn for writes now and then) and every request is short, so one
collection's writes hardly delay another's searches. What lasts, building a graph index and
copying files for it, happens elsewhere: see `indexer` and `rebuild`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

from quarterdeck.memory.engine.committer import Committer
from quarterdeck.memory.engine.frames import FrameBuffer
from quarterdeck.memory.engine.operations import READS, Operations
from quarterdeck.memory.engine.parentage import die_with_parent, step_back

NICENESS = 5
# Reads that may overtake a waiting write.
READS_IN_A_ROW = 8
IDLE_SECONDS = 1.0
CHUNK_BYTES = 1 << 20

Request = tuple[dict[str, Any], bytes]


class Child:
    """The loop of an engine process."""

    def __init__(self, root: Path, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._frames = FrameBuffer()
        self._reads: deque[Request] = deque()
        self._writes: deque[Request] = deque()
        self._reads_taken = 0
        self._operations = Operations(root, Committer(self.send), self.send)

    def run(self) -> None:
        """Serves until the service closes the socket."""
        while self._receive():
            request = self._next()
            if request is not None:
                self._operations.serve(*request)
            self._operations.flush(idle=request is None)

    def send(self, frame: bytes) -> None:
        """Sends a frame; any thread may."""
        with self._sending:
            self._connection.sendall(frame)

    def _receive(self) -> bool:
        """Takes what has arrived; waits only if there is nothing to do. False at the end of the stream."""
        timeout = 0.0 if self._reads or self._writes else IDLE_SECONDS
        while select.select([self._connection], [], [], timeout)[0]:
            data = self._connection.recv(CHUNK_BYTES)
            if not data:
                return False
            for request in self._frames.feed(data):
                waiting = self._reads if request[0]["op"] in READS else self._writes
                waiting.append(request)
            timeout = 0.0
        return True

    def _next(self) -> Request | None:
        if self._writes and (not self._reads or self._reads_taken >= READS_IN_A_ROW):
            self._reads_taken = 0
            return self._writes.popleft()
        if self._reads:
            self._reads_taken += 1
            return self._reads.popleft()
        return None


def main() -> None:
    """Runs the process named in the module's description."""
    root, connection, _lock, parent = sys.argv[1:5]
    die_with_parent(int(parent))
    step_back(NICENESS)
    # An interrupt at the terminal reaches the whole group; the service decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Child(Path(root), socket.socket(fileno=int(connection))).run()
    # Everything acknowledged is in the log already; the engine's own threads need no farewell.
    os._exit(0)


if __name__ == "__main__":
    main()
