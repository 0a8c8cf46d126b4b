"""The calls under way and the outcomes of late ones, by call id."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.constants import RECENT_BYTES, RECENT_OUTCOMES
from quarterdeck.mcp.outcome import Outcome
from quarterdeck.mcp.store import Intent

Key = tuple[str, str]
# Notices that may wait for one watcher; a slow one misses the oldest.
_WAITING_NOTICES = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """What a server says about its progress. `total` is None when it does not know."""

    progress: float
    total: float | None
    message: str


@dataclass(slots=True)
class Flight:
    """A call under way.

    Args:
        call: what was asked.
        cancelled: somebody asked for it to stop.
        intent: what was recorded before it was sent.
    """

    call: Call
    cancelled: bool = False
    intent: Intent | None = None
    task: asyncio.Task[Outcome] | None = None
    _watchers: set[asyncio.Queue[Progress | None]] = field(default_factory=set)

    async def note(self, progress: float, total: float | None, message: str | None) -> None:
        """Passes a notice on to whoever watches."""
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(Progress(progress, total, message or ""))

    async def watch(self) -> AsyncIterator[Progress]:
        """Yields notices until the call ends."""
        assert self.task is not None
        queue: asyncio.Queue[Progress | None] = asyncio.Queue(_WAITING_NOTICES)
        self._watchers.add(queue)
        self.task.add_done_callback(lambda _: _end(queue))
        try:
            while (notice := await queue.get()) is not None:
                yield notice
        finally:
            self._watchers.discard(queue)

    def cancel(self) -> None:
        """Asks for it to stop."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def accept_cancellation(self) -> bool:
        """Goes on after a cancellation that was asked for; False if this one is not ours to handle."""
        task = asyncio.current_task()
        if not self.cancelled or task is None:
            return False
        task.uncancel()
        return True


def _end(queue: asyncio.Queue[Progress | None]) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


def require_same(call: Call, server: str, tool: str, arguments_hash: str) -> None:
    """Raises InvalidArgument if a call id comes back with another request."""
    if not call.asks_the_same(server, tool, arguments_hash):
        raise InvalidArgument(
            f"call id {call.call_id!r} was used for another call ({server}/{tool})",
            field="call_id",
            hint="a call id names one call; make a new one for other arguments",
            reason="CallIdReused",
        )


class RecentOutcomes:
    """The last outcomes, bounded by number and by bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[Call, Outcome]] = OrderedDict()
        self._bytes = 0

    def add(self, call: Call, outcome: Outcome) -> None:
        """Keeps an outcome."""
        self._kept[call.key] = (call, outcome)
        self._bytes += _weight(call, outcome)
        while len(self._kept) > RECENT_OUTCOMES or self._bytes > RECENT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _weight(*oldest)

    def find(self, key: Key) -> tuple[Call, Outcome] | None:
        """Returns what was kept under a call id."""
        return self._kept.get(key)


def _weight(call: Call, outcome: Outcome) -> int:
    return call.size + len(outcome.value_json) + len(outcome.message)
