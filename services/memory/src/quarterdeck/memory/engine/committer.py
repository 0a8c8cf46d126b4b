"""Makes writes durable before they are acknowledged, many with one sync.

The engine writes its log through a memory map and leaves it to the kernel: that survives the
death of the process, not of the machine. A thread syncs the log's files (a system call, during
which the interpreter is free) and only then sends the answers.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from quarterdeck.memory.engine.layout import sync_tree
from quarterdeck.memory.engine.shard import UNFLUSHED_MOST, Shard


class Committer:
    """Sends the answers of writes once what they wrote is on disk.

    Args:
        send: sends the bytes of one frame; called from the committer's thread.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._queue: queue.SimpleQueue[tuple[Shard, Callable[[OSError | None], bytes]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="committer", daemon=True).start()

    def submit(self, shard: Shard, answer: Callable[[OSError | None], bytes]) -> None:
        """Queues an answer; `answer(error)` makes its frame once the sync succeeded or failed."""
        self._queue.put((shard, answer))

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            failed: dict[int, OSError | None] = {}
            for shard in {id(shard): shard for shard, _ in batch}.values():
                failed[id(shard)] = _sync(shard)
            for shard, answer in batch:
                self._send(answer(failed[id(shard)]))


def _sync(shard: Shard) -> OSError | None:
    """Syncs the log, and from time to time the segments, so that the next flush finds little to do."""
    try:
        if shard.unflushed < UNFLUSHED_MOST:
            sync_tree(shard.path / "wal")
        else:
            sync_tree(shard.path)
            shard.flush_due = True
    except OSError as error:
        return error
    return None
