"""Which events are worth writing: repeats are counted, floods are thinned out. Decisions over a clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

# How long the same event is one that is counted, in seconds.
SAME_FOR = 600.0
# So many events about an object at once, and one in so many seconds after that.
BURST, REFILL = 25, 300.0
KEPT = 4096


class Deed(Enum):
    """What to do about an event."""

    CREATE = "create"
    COUNT = "count"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Note:
    """An event as it is noted: about whom, and what. `uid` is the object's."""

    uid: str
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Entry:
    """What is known of an event that was noted before. `name` is empty until it was written."""

    count: int = 0
    last: float = 0.0
    name: str = ""


@dataclass(slots=True)
class _Budget:
    tokens: float = BURST
    at: float = field(default=0.0)

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + (now - self.at) / REFILL)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class EventBook:
    """Remembers the last few thousand events and objects."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Note, Entry] = OrderedDict()
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()

    def note(self, note: Note, now: float) -> tuple[Deed, Entry]:
        """Decides what to do about an event, and counts it.

        Args:
            now: seconds that only grow.
        """
        entry = self._entries.get(note)
        if entry is None or now - entry.last > SAME_FOR:
            entry = Entry()
            self._entries[note] = entry
        self._entries.move_to_end(note)
        entry.count += 1
        entry.last = now
        _bound(self._entries)
        if not self._budget(note.uid, now).take(now):
            return Deed.DROP, entry
        return (Deed.COUNT if entry.name else Deed.CREATE), entry

    def _budget(self, uid: str, now: float) -> _Budget:
        budget = self._budgets.setdefault(uid, _Budget(at=now))
        self._budgets.move_to_end(uid)
        _bound(self._budgets)
        return budget


def _bound(kept: OrderedDict[Note, Entry] | OrderedDict[str, _Budget]) -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)
