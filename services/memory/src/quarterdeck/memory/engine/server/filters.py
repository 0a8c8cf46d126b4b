"""Our conditions in the terms of a Qdrant server."""

from __future__ import annotations

from qdrant_client import models

from quarterdeck.memory.engine.conditions import (
    All,
    Condition,
    Either,
    HasWords,
    IsAbsent,
    Matches,
    Neither,
    Within,
)
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.engine.server.records import (
    DOCUMENT,
    KEYWORDS,
    NUMBERS,
    OWNER,
    TEXTS,
    WHOLE,
    owner,
)

# No point has none of all ids.
NOTHING = models.Filter(must=[models.HasIdCondition(has_id=[])])


def owned_by(key: CollectionKey, condition: Condition | None = None) -> models.Filter:
    """Returns the filter of a collection's points, narrowed by a condition. Every request carries one."""
    mine = models.FieldCondition(key=OWNER, match=models.MatchValue(value=owner(key)))
    return models.Filter(must=[mine] if condition is None else [mine, to_filter(condition)])


def to_filter(condition: Condition) -> models.Filter:
    """Returns the server's filter for a condition."""
    match condition:
        case All(parts):
            return models.Filter(must=[to_filter(part) for part in parts])
        case Either(parts) if not parts:
            # An empty "should" holds for everything; no alternative is no match.
            return NOTHING
        case Either(parts):
            return models.Filter(should=[to_filter(part) for part in parts])
        case Neither(parts):
            return models.Filter(must_not=[to_filter(part) for part in parts])
    return models.Filter(must=[_leaf(condition)])


def _leaf(condition: Matches | Within | HasWords | IsAbsent) -> models.Condition:
    match condition:
        case Matches(field, values):
            return _matches(field, values)
        case Within(field, gte, gt, lte, lt):
            bounds = models.Range(gte=gte, gt=gt, lte=lte, lt=lt)
            return models.FieldCondition(key=f"{NUMBERS}.{field}", range=bounds)
        case HasWords(field, words):
            return models.FieldCondition(key=f"{TEXTS}.{field}", match=models.MatchText(text=words))
        case IsAbsent(field):
            return models.IsEmptyCondition(is_empty=models.PayloadField(key=f"{DOCUMENT}.{field}"))


def _matches(field: str, values: tuple[str | int, ...]) -> models.Filter:
    """Returns an alternative for each type among the values: each has an index of its own."""
    words = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if not isinstance(value, str)]
    tests: list[models.Condition] = []
    if words:
        tests.append(models.FieldCondition(key=f"{KEYWORDS}.{field}", match=models.MatchAny(any=words)))
    if numbers:
        tests.append(models.FieldCondition(key=f"{WHOLE}.{field}", match=models.MatchAny(any=numbers)))
    return models.Filter(should=tests) if tests else NOTHING
