"""The filter language of searches and deletes.

    {"vendor_name": "SNCB"}                              equals; on text: contains all the words
    {"amount": {"gte": 20, "lt": 30}}                    float, integer, datetime
    {"vendor_name": {"in": ["SNCB", "NS"]}}              one of
    {"matched": {"not": true}}                           not; also where the field is missing
    {"invoice_id": null}                                 the field is missing
    {"or": [{...}, {...}], "and": [...], "not": {...}}   combinations

Several keys in one object must all hold. Anything but `null` and `not` is false where the
field is missing.
"""

from __future__ import annotations

import math
from typing import Any

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.memory.constants import MAX_FILTER_DEPTH, MAX_FILTER_TERMS
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
from quarterdeck.memory.payload import FieldType, Schema, canonical, engine_field, filter_form

COMBINATORS = ("and", "or", "not")
RANGE_OPERATORS = ("gte", "gt", "lte", "lt")
OPERATORS = (*RANGE_OPERATORS, "in", "not")
_ORDERED = ("float", "integer", "datetime")


def parse_filter(form: Any, schema: Schema, path: str = "filter") -> Condition:
    """Checks a filter against the payload schema and returns its condition.

    Raises:
        InvalidArgument: with the path of what is wrong, what was expected and what there is.
    """
    return _Parser(schema).combination(form, path, 0)


class _Parser:
    """One filter being read; counts its terms."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._terms = 0

    def combination(self, form: Any, path: str, depth: int) -> Condition:
        if depth > MAX_FILTER_DEPTH:
            raise _wrong(path, f"is nested deeper than {MAX_FILTER_DEPTH}")
        if not isinstance(form, dict):
            raise _wrong(path, "must be a JSON object", 'like {"field": value}')
        return All(tuple(self._entry(name, value, f"{path}.{name}", depth) for name, value in form.items()))

    def _entry(self, name: str, value: Any, path: str, depth: int) -> Condition:
        match name:
            case "and":
                return All(self._list(value, path, depth))
            case "or":
                return Either(self._list(value, path, depth))
            case "not":
                return Neither((self.combination(value, path, depth + 1),))
        return self._field(name, value, path)

    def _list(self, form: Any, path: str, depth: int) -> tuple[Condition, ...]:
        if not isinstance(form, list) or not form:
            raise _wrong(path, "must be a list of filters with at least one entry")
        return tuple(self.combination(part, f"{path}[{i}]", depth + 1) for i, part in enumerate(form))

    def _field(self, name: str, value: Any, path: str) -> Condition:
        kind = self._schema.get(name)
        if kind is None:
            known = ", ".join(sorted(self._schema)) or "none"
            raise _wrong(
                path, "is no field of the collection's spec.payload", f"fields: {known}", "UnknownField"
            )
        return self._test(engine_field(name, kind), kind, value, path)

    def _test(self, field: str, kind: FieldType, value: Any, path: str) -> Condition:
        self._terms += 1
        if self._terms > MAX_FILTER_TERMS:
            raise _wrong(path, f"the filter has more than {MAX_FILTER_TERMS} terms")
        if value is None:
            return IsAbsent(field)
        if isinstance(value, dict):
            return self._operators(field, kind, value, path)
        return _equals(field, kind, value, path)

    def _operators(self, field: str, kind: FieldType, form: dict[str, Any], path: str) -> Condition:
        unknown = [name for name in form if name not in OPERATORS]
        if unknown or not form:
            where = f"{path}.{unknown[0]}" if unknown else path
            raise _wrong(where, "is no operator" if unknown else "is empty", f"use {', '.join(OPERATORS)}")
        parts: list[Condition] = []
        bounds = {name: form[name] for name in RANGE_OPERATORS if name in form}
        if bounds:
            parts.append(_range(field, kind, bounds, path))
        if "in" in form:
            parts.append(self._one_of(field, kind, form["in"], f"{path}.in"))
        if "not" in form:
            parts.append(Neither((self._test(field, kind, form["not"], f"{path}.not"),)))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one_of(self, field: str, kind: FieldType, values: Any, path: str) -> Condition:
        if not isinstance(values, list) or not values:
            raise _wrong(path, "must be a list with at least one value")
        self._terms += len(values) - 1
        if self._terms > MAX_FILTER_TERMS:
            raise _wrong(path, f"the filter has more than {MAX_FILTER_TERMS} terms")
        return Either(tuple(_equals(field, kind, value, f"{path}[{i}]") for i, value in enumerate(values)))


def _equals(field: str, kind: FieldType, value: Any, path: str) -> Condition:
    compared = _compared(kind, value, path)
    if kind == "text":
        if not any(letter.isalnum() for letter in str(compared)):
            raise _wrong(path, "must contain a word")
        return HasWords(field, str(compared))
    if isinstance(compared, float):
        return Within(field, gte=compared, lte=compared)
    return Matches(field, (compared,))


def _range(field: str, kind: FieldType, bounds: dict[str, Any], path: str) -> Condition:
    if kind not in _ORDERED:
        first = next(iter(bounds))
        raise _wrong(f"{path}.{first}", f"a {kind} field has no order", f"use it on {', '.join(_ORDERED)}")
    values = {name: _bound(kind, value, f"{path}.{name}") for name, value in bounds.items()}
    return Within(field, **values)


def _bound(kind: FieldType, value: Any, path: str) -> float:
    """Returns a bound as the engine compares it; a whole-number field takes fractions too."""
    compared = _compared("float" if kind == "integer" else kind, value, path)
    if isinstance(compared, str) or not math.isfinite(compared):
        raise _wrong(path, "must be a number")
    return float(compared)


def _compared(kind: FieldType, value: Any, path: str) -> str | int | float:
    try:
        return filter_form(canonical(value, kind), kind)
    except ValueError as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: str, message: str, hint: str = "", reason: str = "InvalidFilter") -> InvalidArgument:
    return InvalidArgument(f"{path} {message}", field=path, hint=hint, reason=reason)
