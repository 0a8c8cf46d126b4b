"""Live events: who streams a run hears of its commits at once.

Nothing here is truth. A listener that falls behind loses events and reads the journal again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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


# What a listener gets: an event, or None for "look at the journal".
Heard = Live | None


class Elsewhere(Protocol):
    """The processes beside this one that advance runs, and stream them."""

    def listening(self, run_id: str) -> None:
        """Asks to be told what they commit of this run."""

    def is_wanted(self, run_id: str) -> bool:
        """Says whether one of them streams this run."""

    def tell(self, tenant_id: str, run_id: str, events: Sequence[Live]) -> None:
        """Tells those that do; what gets lost is found in the journal."""


class Nobody:
    """No other processes."""

    def listening(self, run_id: str) -> None:
        """See `Elsewhere`."""

    def is_wanted(self, run_id: str) -> bool:
        """See `Elsewhere`."""
        return False

    def tell(self, tenant_id: str, run_id: str, events: Sequence[Live]) -> None:
        """See `Elsewhere`."""


class LiveEvents:
    """Fans events out to the listeners of each run, here and elsewhere."""

    def __init__(self) -> None:
        self.elsewhere: Elsewhere = Nobody()
        self._listeners: dict[str, list[asyncio.Queue[Heard]]] = {}
        # The last sequence number that the listeners of a run know of.
        self._told: dict[str, int] = {}

    def listen(self, run_id: str) -> asyncio.Queue[Heard]:
        """Returns a queue of the run's events from now on; give it back with `forget`."""
        queue: asyncio.Queue[Heard] = asyncio.Queue(LISTENER_LIMIT)
        if run_id not in self._listeners:
            self.elsewhere.listening(run_id)
        self._listeners.setdefault(run_id, []).append(queue)
        return queue

    def forget(self, run_id: str, queue: asyncio.Queue[Heard]) -> None:
        """Stops a listener."""
        queues = self._listeners.get(run_id, [])
        if queue in queues:
            queues.remove(queue)
        if not queues:
            self._listeners.pop(run_id, None)
            self._told.pop(run_id, None)

    def committed(self, tenant_id: str, run_id: str, first_seq: int, events: Sequence[Event]) -> None:
        """Tells listeners of events that are durable now."""
        if self._is_streamed(run_id):
            made = [
                Live(first_seq + offset, event.type, codec.dumps(event.data), event.at)
                for offset, event in enumerate(events)
            ]
            self._tell(tenant_id, run_id, made)

    def delta(self, tenant_id: str, run_id: str, type_: str, data: dict[str, Any], at: float) -> None:
        """Tells listeners of something that will never be in the journal."""
        if self._is_streamed(run_id):
            self._tell(tenant_id, run_id, [Live(0, type_, codec.dumps(data), at)])

    def hear(self, run_id: str, events: Sequence[Live]) -> None:
        """Tells the listeners here, whoever it was that made the events."""
        if run_id in self._listeners:
            for event in events:
                self._put(run_id, event)
                self._told[run_id] = max(self._told.get(run_id, 0), event.seq)

    def look(self, found: Mapping[str, int]) -> None:
        """Has listeners look at the journal of runs that went on without a word, by what the database says.

        Args:
            found: the last sequence numbers of runs. A run that is not in it does not go on by itself.
        """
        for run_id in self.run_ids():
            seq = found.get(run_id)
            if seq is None or seq > self._told.get(run_id, 0):
                # Whoever advances it may not know yet that it is streamed here.
                self.elsewhere.listening(run_id)
                self._told[run_id] = seq or 0
                self._put(run_id, None)

    def run_ids(self) -> list[str]:
        """Returns the runs that are streamed from here."""
        return list(self._listeners)

    def _is_streamed(self, run_id: str) -> bool:
        return run_id in self._listeners or self.elsewhere.is_wanted(run_id)

    def _tell(self, tenant_id: str, run_id: str, made: Sequence[Live]) -> None:
        self.hear(run_id, made)
        self.elsewhere.tell(tenant_id, run_id, made)

    def _put(self, run_id: str, heard: Heard) -> None:
        for queue in self._listeners.get(run_id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(heard)

    @property
    def listener_count(self) -> int:
        """Listeners of all runs, for a test that none is left behind."""
        return sum(len(queues) for queues in self._listeners.values())
