"""Server-sent events: the text format of the HTML standard, as much of it as our gateway speaks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its id (empty when it has none), its type and its text."""

    id: str
    type: str
    text: str

    def data(self) -> Any:
        """Returns the text parsed as JSON. Raises ValueError."""
        return json.loads(self.text)


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yields the events of a stream of lines without their ends. Comments are skipped."""
    event_id, event_type, data = "", "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(event_id, event_type or "message", "\n".join(data))
            event_id, event_type, data = "", "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event_id = value
        elif name == "event":
            event_type = value
        elif name == "data":
            data.append(value)
