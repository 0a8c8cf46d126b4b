"""What was really done outside: kept by nobody who takes part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect: which tool did what for which call. `key` is the caller's name for the thing to do."""

    tool: str
    key: str
    call_id: str


@dataclass(slots=True)
class Ledger:
    """Counts effects; nothing in it ever changes or goes away."""

    entries: list[Entry] = field(default_factory=list)
    by_key: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_call: Counter[str] = field(default_factory=Counter)

    def record(self, tool: str, key: str, call_id: str) -> None:
        """The effect happened."""
        self.entries.append(Entry(tool, key, call_id))
        self.by_key[tool, key] += 1
        self.by_call[call_id] += 1

    def has(self, tool: str, key: str) -> bool:
        """True if it was done."""
        return self.by_key[tool, key] > 0
