"""Rows of the journal: the events of one append together in one row, under its last sequence number.

A row of one event has that event's type and data. One of several has their types with commas between them,
and as its data, compressed, a line for each event after a first line of times: how much later than the row's
own time each happened, in ticks. No event's type has a comma in it, and no JSON of ours a line break, so that
it is taken apart without being parsed.

What is compressed stands there as a string of JSON (base64). A release that does not know rows of several
events thus takes one for an event that it does not know, and leaves the run to a newer one.
"""

from __future__ import annotations

import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.events import Event

# Events and bytes of data that one row has at most (one event may have more).
MOST_EVENTS, MOST_BYTES = 100, 64 * 1024
# Of a second: as exact as a float is for the time of day until 2038.
TICKS = 1 << 22
_BETWEEN = b"\n"
# How much compression looks back and keeps at hand. A step takes it some microseconds with these; with what
# zlib would take by itself, ten times as long.
_WINDOW, _MEMORY = -10, 4
# What events mostly consist of, the commonest last. Rows that were written with it are read with it: it is a
# part of their form and never changes.
_WORDS = (
    b'"session":"""labels":{},"budget":{},"title":"summary":"policy":"question":"name":"payload":"total":"first":'
    b'"count":"item":"index":"children":"run":"state":"succeeded"}"phase":"finally"}{"output":{"seconds":"due":'
    b'"purpose":"timeout"timer":"delay":"details":{"message":"class":"error":{"reason":"hash":"sha256:"size":'
    b'"media_type":"application/json"$artifact":{"usage":"input_tokens":"output_tokens":"stop":"model":"tier":'
    b'"standard","route":"default"turn":1,"results":[{"call":"content":[{"type":"text","text":"role":"assistant'
    b'"user"},"calls":[{"id":"params":{"reserve":0,"reserve_tokens":0,"tokens":0,"cost":0,"kind":"model","kind":'
    b'"transform","output":null,"result":null,"status":"failed","parent":"}\n{"step":"n1","output":{"next":"n2"}'
    b'\n{"effect":"e1","status":"ok","result":{"}}\n{"step":"n1","next":"n2"}\n{"step":"n2","node":"n2","kind":'
    b'"tool"}\n{"effect":"e2","step":"n2","kind":"tool","target":{"server":"tool":"},"arguments":{"},"attempt":1}'
)


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
    return {"type": types, "data": _compressed(_BETWEEN.join((times, *written))), "at": first}


def _compressed(text: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _WORDS)
    return b'"%b"' % b2a_base64(deflate.compress(text) + deflate.flush(), newline=False)


def content(data: bytes) -> bytes:
    """Returns what stands in the data of a row as text, whatever the form."""
    if not data.startswith(b'"'):
        return data
    return zlib.decompressobj(_WINDOW, _WORDS).decompress(a2b_base64(data[1:-1]))


def _later(first: float, at: float) -> str:
    """Returns how much later than `first` it was, in ticks; a time that these cannot tell, as it is."""
    ticks = round((at - first) * TICKS)
    return str(ticks) if first + ticks / TICKS == at else repr(at)


def entries(seq: int, types: str, data: bytes, at: float) -> list[Recorded]:
    """Returns the entries of a row, in order."""
    if "," not in types:
        return [Recorded(seq, types, data, at)]
    times, *written = content(data).split(_BETWEEN)
    names = types.split(",")
    moments = [_moment(at, later) for later in times.decode().split(",")]
    before = seq - len(names)
    return [
        Recorded(before + place, *entry)
        for place, entry in enumerate(zip(names, written, moments, strict=True), 1)
    ]


def _moment(first: float, later: str) -> float:
    return first + int(later) / TICKS if later.lstrip("-").isdigit() else float(later)
