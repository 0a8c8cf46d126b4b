"""Reading a stream the hard way: it is cut again and again, and taken up after the last event seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2e_kit.client import Client, StreamEvent


def read_in_pieces(
    client: Client, path: str, last_types: Sequence[str], piece: int, **query: Any
) -> list[StreamEvent]:
    """Reads a stream until an event of one of `last_types`, cutting it after every `piece` events with an id.

    Events without an id cannot be resumed from; they are left out.
    """
    seen: list[StreamEvent] = []
    while not seen or type_of(seen[-1]) not in last_types:
        after = seen[-1].id if seen else ""
        fresh = 0
        for event in client.stream(path, after, **query):
            if not event.id:
                continue
            seen.append(event)
            fresh += 1
            if fresh == piece or type_of(event) in last_types:
                break
        assert fresh, f"the stream of {path} ended after {after!r} without its end"
    return seen


def type_of(event: StreamEvent) -> str:
    """Returns an event's type: that of the stream, else what its data says (AG-UI)."""
    return event.type or str(event.data["type"])
