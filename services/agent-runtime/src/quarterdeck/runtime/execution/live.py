"""Live events inside one process: who streams a run hears of its commits at once.

Nothing here is truth. A listener that falls behind loses messages and reads the journal again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.events import Event

LISTENER_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Live:
    """One event as it is streamed; `seq` 0 means it is not in the journal."""

    seq: int
    type: str
    data: bytes
    at: float


class LiveEvents:
    """Fans events out to the listeners of each run."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[asyncio.Queue[Live]]] = {}

    def listen(self, run_id: str) -> asyncio.Queue[Live]:
        """Returns a queue of the run's events from now on; give it back with `forget`."""
        queue: asyncio.Queue[Live] = asyncio.Queue(LISTENER_LIMIT)
        self._listeners.setdefault(run_id, []).append(queue)
        return queue

    def forget(self, run_id: str, queue: asyncio.Queue[Live]) -> None:
        """Stops a listener."""
        queues = self._listeners.get(run_id, [])
        if queue in queues:
            queues.remove(queue)
        if not queues:
            self._listeners.pop(run_id, None)

    def committed(self, run_id: str, first_seq: int, events: Sequence[Event]) -> None:
        """Tells listeners of events that are durable now."""
        if run_id in self._listeners:
            for offset, event in enumerate(events):
                self._put(run_id, Live(first_seq + offset, event.type, codec.dumps(event.data), event.at))

    def delta(self, run_id: str, type_: str, data: dict[str, Any], at: float) -> None:
        """Tells listeners of something that will never be in the journal."""
        if run_id in self._listeners:
            self._put(run_id, Live(0, type_, codec.dumps(data), at))

    def _put(self, run_id: str, live: Live) -> None:
        for queue in self._listeners.get(run_id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(live)

    @property
    def listener_count(self) -> int:
        """Listeners of all runs, for a test that none is left behind."""
        return sum(len(queues) for queues in self._listeners.values())
