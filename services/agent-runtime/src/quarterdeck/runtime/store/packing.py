"""Rows of the journal: the events of one append together in one row, under its last sequence number.

A row of one event has that event's type and data. One of several has their types with commas between them,
and as its data a list, one line for each entry: first a list of how much later than the row's own time each
event happened, in ticks, then the data of each. No event's type has a comma in it, and no JSON of ours a line
break, so that it is taken apart without being parsed.

A release that does not know rows of several events takes one for an event that it does not know, and leaves
the run to a newer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.events import Event

# Events and bytes of data that one row has at most (one event may have more).
MOST_EVENTS, MOST_BYTES = 100, 64 * 1024
# Of a second: as exact as a float is for the time of day until 2038.
TICKS = 1 << 22
_BETWEEN = b",\n"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One journal entry with its place; `data` is still JSON."""

    seq: int
    type: str
    data: bytes
    at: float

    def event(self) -> Event:
        """Returns the event itself."""
        return Event(self.type, codec.loads(self.data), self.at)


def rows(run_id: str, tenant_id: str, after: int, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Returns the rows of one append, whose first event has the sequence number that follows `after`."""
    written = [codec.dumps(event.data) for event in events]
    made, first = [], 0
    for end in _ends(written):
        made.append(
            {
                "run_id": run_id,
                "seq": after + end,
                "tenant_id": tenant_id,
                **_row(events[first:end], written[first:end]),
            }
        )
        first = end
    return made


def _ends(written: Sequence[bytes]) -> Iterator[int]:
    """Yields after how many events each row ends."""
    first = size = 0
    for place, data in enumerate(written):
        if place > first and (place - first == MOST_EVENTS or size + len(data) > MOST_BYTES):
            yield place
            first, size = place, 0
        size += len(data)
    if written:
        yield len(written)


def _row(events: Sequence[Event], written: Sequence[bytes]) -> dict[str, Any]:
    first = events[0].at
    if len(events) == 1:
        return {"type": events[0].type, "data": written[0], "at": first}
    times = ",".join([_later(first, event.at) for event in events]).encode()
    types = ",".join([event.type for event in events])
    return {"type": types, "data": b"[[%b],\n%b]" % (times, _BETWEEN.join(written)), "at": first}


def _later(first: float, at: float) -> str:
    """Returns how much later than `first` it was, in ticks; a time that these cannot tell, as it is."""
    ticks = round((at - first) * TICKS)
    return str(ticks) if first + ticks / TICKS == at else repr(at)


def entries(seq: int, types: str, data: bytes, at: float) -> list[Recorded]:
    """Returns the entries of a row, in order."""
    if "," not in types:
        return [Recorded(seq, types, data, at)]
    times, *written = data[1:-1].split(_BETWEEN)
    names = types.split(",")
    moments = [_moment(at, later) for later in times[1:-1].decode().split(",")]
    before = seq - len(names)
    return [
        Recorded(before + place, *entry)
        for place, entry in enumerate(zip(names, written, moments, strict=True), 1)
    ]


def _moment(first: float, later: str) -> float:
    return first + int(later) / TICKS if later.lstrip("-").isdigit() else float(later)
