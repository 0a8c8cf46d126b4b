"""Where a client's stream broke off, and how far a message was said: what the ids of outputs hold.

- `<seq>.<n>` is the n-th output of the journal event with that sequence number;
- `~<chars>` is added while a message streams live: so much of its text was sent;
- `!<tries>` is added when that text was begun anew so often.

So a client that comes back misses nothing and sees nothing twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.constants import LARGEST_SEQUENCE, LAST_EVENT_HEADER

# Bounded, because reading endless digits takes long.
_NUMBER = r"(\d{1,19})"
_ID = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:~{_NUMBER})?(?:!{_NUMBER})?", re.ASCII)
# Above the number of every output of one journal event.
_LAST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where a client's stream broke off."""

    seq: int = 0
    output: int = -1
    # None: no message was open.
    sent: int | None = None
    tries: int = 0

    @classmethod
    def parse(cls, text: str) -> Position:
        """Reads an event's id; empty is the beginning. Raises InvalidArgument."""
        if not text:
            return cls()
        found = _ID.fullmatch(text)
        if found is None or int(found[1]) > LARGEST_SEQUENCE:
            raise InvalidArgument(
                f"{text!r} is not the id of an AG-UI event",
                field=LAST_EVENT_HEADER,
                hint="send the id of the last event",
            )
        seq, output, sent, tries = found.groups()
        return cls(int(seq), int(output), None if sent is None else int(sent), int(tries or 0))

    @classmethod
    def after(cls, seq: int) -> Position:
        """Returns the position behind every output of a journal event."""
        return cls(seq, _LAST)

    def covers(self, seq: int, output: int) -> bool:
        """True for an output that was seen."""
        return (seq, output) <= (self.seq, self.output)


@dataclass(slots=True)
class Speech:
    """The message that a model turn is saying, as far as it was sent."""

    base: str
    tries: int = 0
    # Characters; None before the message was opened.
    sent: int | None = None
    # The text itself; None when another stream sent it.
    said: str | None = ""

    @property
    def id(self) -> str:
        """The message's id: of its own for each time that the text begins anew."""
        return f"{self.base}/{self.tries}" if self.tries else self.base

    @property
    def mark(self) -> str:
        """What an output's id says about it."""
        sent = "" if self.sent is None else f"~{self.sent}"
        return f"{sent}!{self.tries}" if self.tries else sent

    def rest_of(self, text: str) -> str | None:
        """Returns what is left of the whole text; None if something else was said."""
        if self.said is not None and not text.startswith(self.said):
            return None
        return text[self.sent or 0 :]
