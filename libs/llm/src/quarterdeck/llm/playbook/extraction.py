"""Finding typed values in a text: the first pattern that gives a readable value wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.llm.playbook import convert
from quarterdeck.llm.playbook.document import ExtractField, Reading
from quarterdeck.llm.playbook.patterns import compile_pattern, search_all
from quarterdeck.llm.types import JsonValue

if TYPE_CHECKING:
    from regex import Match, Pattern

Reader = Callable[[str], JsonValue]
"""From matched text to a value; None when the text is no such value."""


def reader(reading: Reading) -> Reader:
    """The function that reads what `reading` describes."""
    match reading.type:
        case "number":
            return lambda text: convert.parse_number(text, reading.decimal)
        case "integer":
            return lambda text: _whole(convert.parse_number(text, reading.decimal))
        case "cents":
            return lambda text: convert.parse_cents(text, reading.decimal)
        case "date":
            return lambda text: convert.parse_date(text, reading.formats)
        case _:
            return lambda text: " ".join(text.split()) or None


@dataclass(frozen=True)
class Finder:
    """A compiled field. A match's value is its group `value`, else its first group, else all of it."""

    patterns: tuple[Pattern[str], ...]
    read: Reader
    groups: Mapping[str, Reader]
    all: bool

    def find(self, text: str) -> JsonValue:
        """The first value, or with `all` the list of every value; None or an empty list without a match.

        With `all` and named groups each value is an object of them. A match that cannot be read as the
        field's type does not count.
        """
        for pattern in self.patterns:
            values = self._values(pattern, text)
            if self.all:
                if found := list(values):
                    return found
            elif (value := next(values, None)) is not None:
                return value
        return [] if self.all else None

    def _values(self, pattern: Pattern[str], text: str) -> Iterator[JsonValue]:
        for match in search_all(pattern, text):
            value = (
                self._group_values(match) if self.all and pattern.groupindex else self.read(_matched(match))
            )
            if value is not None:
                yield value

    def _group_values(self, match: Match[str]) -> JsonValue:
        return {
            name: None if part is None else self.groups.get(name, self.read)(part)
            for name, part in match.groupdict().items()
        }


def compile_field(field: ExtractField, path: str) -> Finder:
    """Compile the patterns of one field; raises `PlaybookInvalid` with the path of a wrong one."""
    patterns = [compile_pattern(text, f"{path}.patterns[{i}]") for i, text in enumerate(field.patterns)]
    groups = {
        name: reader(reading if isinstance(reading, Reading) else Reading(type=reading))
        for name, reading in field.groups.items()
    }
    return Finder(tuple(patterns), reader(field), groups, field.all)


def _matched(match: Match[str]) -> str:
    if "value" in match.re.groupindex:
        return match.group("value") or ""
    return (match.group(1) if match.re.groups else match.group()) or ""


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value.is_integer() else None
