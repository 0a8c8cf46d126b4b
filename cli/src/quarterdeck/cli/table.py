"""Tables of plain text in kubectl's manner, and values out of nested JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GAP = "   "
LONGEST_CELL = 80
EMPTY = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, and where its value is: a dotted path, or a function of the item."""

    header: str
    value: str | Callable[[Mapping[str, Any]], Any]
    wide: bool = False
    longest: int = LONGEST_CELL

    def text(self, item: Mapping[str, Any]) -> str:
        """Returns the cell's text, cut to `longest` characters."""
        found = lookup(item, self.value) if isinstance(self.value, str) else self.value(item)
        return cell(found, self.longest)


def lookup(item: Any, path: str) -> Any:
    """Returns the value at a dotted path, None if there is none."""
    for part in path.split("."):
        if not isinstance(item, Mapping):
            return None
        item = item.get(part)
    return item


def cell(value: Any, longest: int = LONGEST_CELL) -> str:
    """Returns a value as one line of at most `longest` characters."""
    if value is None or value in ("", {}, []):
        return EMPTY
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        value = ",".join(f"{name}={item}" for name, item in value.items())
    elif isinstance(value, list | tuple):
        value = ",".join(str(item) for item in value)
    text = " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def render(columns: Sequence[Column], items: Sequence[Mapping[str, Any]], wide: bool = False) -> list[str]:
    """Returns the lines of a table, the header first."""
    shown = [column for column in columns if wide or not column.wide]
    rows = [[column.header for column in shown], *([column.text(item) for column in shown] for item in items)]
    return align(rows)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the rows as lines whose cells stand below each other."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def age(timestamp: Any, now: datetime | None = None) -> str:
    """Returns how long ago an RFC 3339 time was: "42s", "5m", "3h", "2d"."""
    moment = parse_time(timestamp)
    if moment is None:
        return EMPTY
    return duration(((now or datetime.now(UTC)) - moment).total_seconds())


def parse_time(timestamp: Any) -> datetime | None:
    """Returns an RFC 3339 time, None if it is none."""
    try:
        moment = datetime.fromisoformat(str(timestamp).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def duration(seconds: float) -> str:
    """Returns a length of time as people say it, two units at most below an hour."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60}s" if whole < 600 else f"{whole // 60}m"
    return f"{whole // 3600}h" if whole < 48 * 3600 else f"{whole // 86400}d"
