"""Events on their way to other processes: what gathers while one message travels goes into the next. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from quarterdeck.runtime.streaming.live import Live

# Bytes of event data in one message, and of all that wait. What does not fit is found in the journal.
MESSAGE_BYTES = 256 * 1024
MOST_BYTES = 16 * 1024 * 1024
# What an event weighs beside its data.
OVERHEAD = 128


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events for one process, of one tenant."""

    to: str
    tenant_id: str
    events: list[tuple[str, Live]]


class Outbox:
    """What waits, by process and tenant, in the order in which it was made."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._waiting: dict[tuple[str, str], deque[tuple[str, Live]]] = {}

    def __bool__(self) -> bool:
        """True while something waits."""
        return bool(self._waiting)

    def put(self, to: str, tenant_id: str, run_id: str, events: Sequence[Live]) -> int:
        """Adds events; returns how many found no room."""
        waiting = self._waiting.setdefault((to, tenant_id), deque())
        for position, event in enumerate(events):
            if self._bytes >= self._most:
                return len(events) - position
            waiting.append((run_id, event))
            self._bytes += weight(event)
        return 0

    def take(self) -> Parcel | None:
        """Takes out the next message; those who wait take turns."""
        if not self._waiting:
            return None
        place = next(iter(self._waiting))
        waiting = self._waiting.pop(place)
        events: list[tuple[str, Live]] = []
        size = 0
        while waiting and (not events or size + weight(waiting[0][1]) <= MESSAGE_BYTES):
            events.append(waiting.popleft())
            size += weight(events[-1][1])
        self._bytes -= size
        if waiting:
            self._waiting[place] = waiting
        return Parcel(*place, events)


def weight(event: Live) -> int:
    """Returns about how many bytes an event takes in a message."""
    return len(event.data) + OVERHEAD
