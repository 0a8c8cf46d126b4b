"""The fixed list of functions that a playbook may use beside CEL. docs/playbook.md explains each.

A function is a plain Python function. Its parameters are the arguments in the document, in snake case.
`SCOPED` names those that are evaluated once per item, with `item` and `index` bound; a function gets such a
parameter as a callable. Every other argument arrives as a value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from quarterdeck.llm.errors import PlaybookFailed
from quarterdeck.llm.playbook import convert, limits, text
from quarterdeck.llm.playbook.subsets import TooManyCombinations, find_subsets
from quarterdeck.llm.types import JsonValue


class Scoped(Protocol):
    """An argument that is evaluated for each item."""

    def __call__(self, **names: JsonValue) -> Any:
        """Evaluate with these names bound beside the others."""


SCOPED = frozenset({"by", "of", "where", "amount", "let", "value"})
"""Parameters evaluated per item. `round` and `fixed` call theirs `number` for this reason."""


def number(text: Any, decimal: convert.DecimalMark = "auto") -> float | None:
    """The first number in a text, or None."""
    return convert.parse_number(_text(text), _decimal(decimal))


def cents(text: Any, decimal: convert.DecimalMark = "auto") -> int | None:
    """The first number in a text, in hundredths, or None. A number is taken as it is."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return round(text * 100)
    return convert.parse_cents(_text(text), _decimal(decimal))


def date(text: Any, formats: Sequence[str] = (convert.ISO_DATE,)) -> str | None:
    """A date as `YYYY-MM-DD`, or None."""
    return convert.parse_date(_text(text), formats)


def days(start: Any, end: Any) -> int | None:
    """Days from one date to another, or None when either is no date."""
    return convert.days_between(_text(start), _text(end))


def add_days(start: Any, days: int) -> str | None:
    """A date and so many days, or None when it is no date."""
    return convert.add_days(_text(start), days)


def normalise(text: Any) -> str:
    """Lower case, no accents, words separated by single spaces."""
    return _normalise(_text(text))


def similarity(a: Any, b: Any) -> float:
    """How alike two texts are, 0.0 to 1.0."""
    return _similarity(_text(a), _text(b))


def round_to(number: float | None, digits: int = 0) -> float | None:
    """A number rounded half up to so many decimals."""
    if number is None:
        return None
    exact = Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return float(exact)


def fixed(number: float | None, digits: int = 2) -> str:
    """A number as text with exactly so many decimals; an empty text for None."""
    return "" if number is None else f"{number:.{digits}f}"


def each(
    items: Any, value: Scoped | None = None, let: Scoped | None = None, where: Scoped | None = None
) -> Any:
    """A value for each item for which `where` holds; `let` names values for both."""
    results = []
    for index, item in enumerate(_items(items)):
        scope: dict[str, JsonValue] = {"item": item, "index": index}
        if let:
            scope |= let(**scope)
        if where is None or _truth(where(**scope)):
            results.append(value(**scope) if value else item)
    return results


def sort(items: Any, by: Scoped, descending: bool = False, limit: int | None = None) -> list[JsonValue]:
    """Items in the order of `by`; equal ones stay as they are, those without a value come last."""
    keyed = _keyed(items, by)
    try:
        ordered = sorted((pair for pair in keyed if pair[0] is not None), key=_key, reverse=descending)
    except TypeError as problem:
        raise PlaybookFailed(f"sort: the values of 'by' cannot be compared: {problem}") from problem
    ordered += [pair for pair in keyed if pair[0] is None]
    return [item for _, item in ordered[:limit]]


def best(items: Any, by: Scoped) -> JsonValue:
    """The item with the greatest `by`, the first of equal ones; None when no item has one."""
    keyed = [pair for pair in _keyed(items, by) if pair[0] is not None]
    try:
        return max(keyed, key=_key)[1] if keyed else None
    except TypeError as problem:
        raise PlaybookFailed(f"best: the values of 'by' cannot be compared: {problem}") from problem


def sum_of(items: Any, of: Scoped | None = None) -> float | int:
    """The sum of the items or of a value of each; 0 without items. Integers stay integers."""
    values = [of(item=item, index=index) if of else item for index, item in enumerate(_items(items))]
    if not all(isinstance(value, int | float) for value in values):
        raise PlaybookFailed("sum: not every value is a number")
    return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)


def unique(items: Any, by: Scoped | None = None) -> list[JsonValue]:
    """The items without later ones that are equal, or that have an equal `by`."""
    seen: dict[str, JsonValue] = {}
    for index, item in enumerate(_items(items)):
        key = by(item=item, index=index) if by else item
        seen.setdefault(json.dumps(key, sort_keys=True, default=str), item)
    return list(seen.values())


def merge(maps: Any) -> dict[str, JsonValue]:
    """Objects joined into one; a later one wins, None counts as empty."""
    merged: dict[str, JsonValue] = {}
    for part in _items(maps):
        if part is not None and not isinstance(part, Mapping):
            raise PlaybookFailed("merge: every one of maps must be an object")
        merged |= part or {}
    return merged


def subsets(
    items: Any,
    amount: Scoped,
    target: float | None,
    *,
    tolerance: float = 0.0,
    smallest: int = 2,
    largest: int = 4,
) -> list[list[JsonValue]]:
    """Every group of items whose amounts add up to the target, to a hundredth; small groups first."""
    candidates = list(_items(items))
    if target is None:
        return []
    if len(candidates) > limits.SUBSET_ITEMS:
        raise PlaybookFailed(f"subsets: {len(candidates)} items; at most {limits.SUBSET_ITEMS} are searched")
    amounts = [round(amount(item=item, index=index) * 100) for index, item in enumerate(candidates)]
    bounds = {"tolerance": round(tolerance * 100), "smallest": smallest, "largest": largest}
    try:
        groups = find_subsets(amounts, round(target * 100), **bounds)
    except TooManyCombinations as problem:
        raise PlaybookFailed("subsets: too many combinations", hint="pass fewer items") from problem
    return [[candidates[position] for position in group] for group in groups]


FUNCTIONS: Mapping[str, Callable[..., JsonValue]] = {
    "number": number,
    "cents": cents,
    "date": date,
    "days": days,
    "addDays": add_days,
    "normalise": normalise,
    "similarity": similarity,
    "round": round_to,
    "fixed": fixed,
    "each": each,
    "sort": sort,
    "best": best,
    "sum": sum_of,
    "unique": unique,
    "merge": merge,
    "subsets": subsets,
}
"""By the name that a document uses after `$`. `extract` is compiled apart, in `compiler`."""

_normalise, _similarity = text.normalise, text.similarity


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _decimal(mark: str) -> convert.DecimalMark:
    if mark not in convert.DECIMAL_MARKS:
        raise PlaybookFailed(f"decimal: {mark!r} is none of {', '.join(convert.DECIMAL_MARKS)}")
    return mark  # type: ignore[return-value] # checked the line before


def _items(value: Any) -> Sequence[JsonValue]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise PlaybookFailed(f"a list is needed, not {type(value).__name__}")
    if len(value) > limits.ITEMS:
        raise PlaybookFailed(f"{len(value)} items; at most {limits.ITEMS} are allowed")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise PlaybookFailed(f"where: gives {value!r}, which is neither true nor false")
    return value


def _keyed(items: Any, by: Scoped) -> list[tuple[Any, JsonValue]]:
    return [(by(item=item, index=index), item) for index, item in enumerate(_items(items))]


def _key(pair: tuple[Any, JsonValue]) -> Any:
    return pair[0]
