"""What a run may not exceed. Pure; refused with an error that says what, where and how much."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.common import codec
from quarterdeck.runtime.constants import MAX_EVENT_BYTES, MAX_EVENT_DEPTH, MAX_STATE_BYTES
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.state import FORWARD, RunState


class CannotGoOn(Exception):
    """However often it is tried, this run cannot be brought on: it fails with this error.

    Args:
        kind: the class of the error.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def refuse_oversized(events: Iterable[Event]) -> None:
    """Raises CannotGoOn if an event is over a limit."""
    for event in events:
        data = codec.dumps(event.data)
        where = f" of step {event.data['step']}" if event.data.get("step") else ""
        if len(data) > MAX_EVENT_BYTES:
            message = f"event {event.type}{where} has {len(data)} bytes; the limit is {MAX_EVENT_BYTES}"
            raise CannotGoOn("limit", message)
        if codec.is_deep(data, MAX_EVENT_DEPTH):
            message = f"event {event.type}{where} is nested deeper than {MAX_EVENT_DEPTH} levels"
            raise CannotGoOn("limit", message)


def snapshot_of(state: RunState) -> bytes:
    """Returns the state as JSON.

    Raises CannotGoOn if it is too large to grow on; a run that winds up may still undo what it did.
    """
    data = codec.dumps(state.to_json())
    if len(data) > MAX_STATE_BYTES and state.phase == FORWARD:
        raise CannotGoOn("limit", f"the run's state has {len(data)} bytes; the limit is {MAX_STATE_BYTES}")
    return data
