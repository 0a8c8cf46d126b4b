"""Conditions on payloads as an engine understands them, and their JSON form on the pipe.

A condition is a tree of small records. Fields are payload paths. Only four value types reach
an engine: text values, numbers, words, and presence. Booleans and times are stored in a form
that these can express (see `quarterdeck.memory.payload`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Matches:
    """The field has one of the values; keywords and integers only."""

    field: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The field is a number inside the bounds that are given."""

    field: str
    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


@dataclass(frozen=True, slots=True)
class HasWords:
    """The field's text contains every word, in any order, whatever the case."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class IsAbsent:
    """The field is missing, null or an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; none at all holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Neither:
    """No part holds; a field that is missing fulfils this."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Matches | Within | HasWords | IsAbsent | All | Either | Neither

_GROUPS: dict[str, type[All | Either | Neither]] = {"all": All, "either": Either, "neither": Neither}
_GROUP_NAMES = {kind: name for name, kind in _GROUPS.items()}


def encode(condition: Condition) -> list[Any]:
    """Returns the JSON form: a list whose first item names the record."""
    match condition:
        case Matches(field, values):
            return ["matches", field, list(values)]
        case Within(field, gte, gt, lte, lt):
            return ["within", field, gte, gt, lte, lt]
        case HasWords(field, words):
            return ["words", field, words]
        case IsAbsent(field):
            return ["absent", field]
    return [_GROUP_NAMES[type(condition)], *(encode(part) for part in condition.parts)]


def decode(form: list[Any]) -> Condition:
    """Reads what `encode` wrote. Raises ValueError for anything else."""
    name, *rest = form
    if name in _GROUPS:
        return _GROUPS[name](tuple(decode(part) for part in rest))
    match name, rest:
        case "matches", [field, values]:
            return Matches(field, tuple(values))
        case "within", [field, gte, gt, lte, lt]:
            return Within(field, gte, gt, lte, lt)
        case "words", [field, words]:
            return HasWords(field, words)
        case "absent", [field]:
            return IsAbsent(field)
    raise ValueError(f"not a condition: {form!r}")
