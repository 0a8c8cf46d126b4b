"""What an item looks like in the engine: its payload checked against the collection's schema.

A stored document:

    id      the caller's id
    text    what was remembered
    saved   Unix time of the save
    exp     Unix time after which it is gone; absent: the collection's retention alone decides
    p       the payload as it was given
    f       forms of payload fields that the engine can filter: booleans as "true" and
            "false" (the engine's own match for booleans finds nothing), times as
            microseconds since 1970
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.memory.engine.interface import IndexType

FieldType = Literal["keyword", "text", "integer", "float", "bool", "datetime", "uuid"]
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)

# Integers beyond this are not the same number in every program that reads JSON.
LARGEST_INTEGER = 2**53 - 1

_FILTERABLE: dict[FieldType, tuple[str, IndexType]] = {
    "keyword": ("p", "keyword"),
    "float": ("p", "float"),
    "integer": ("p", "integer"),
    "text": ("p", "text"),
    "uuid": ("p", "keyword"),
    "bool": ("f", "keyword"),
    "datetime": ("f", "integer"),
}

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Schema = Mapping[str, FieldType]
Violation = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Times:
    """When an item was saved and when it is gone, as Unix time; None: never by itself."""

    saved: float
    expires: float | None = None


def engine_field(name: str, kind: FieldType) -> str:
    """Returns the engine's path of a payload field as filters use it."""
    return f"{_FILTERABLE[kind][0]}.{name}"


def engine_indexes(schema: Schema) -> dict[str, IndexType]:
    """Returns the indexes that a collection with this schema needs."""
    fields = {engine_field(name, kind): _FILTERABLE[kind][1] for name, kind in schema.items()}
    return {**fields, "exp": "float", "saved": "float"}


def check_payload(payload: Any, schema: Schema, path: str) -> list[Violation]:
    """Returns what is wrong with a payload, as (path, message); nothing is fine."""
    if not isinstance(payload, dict):
        return [(path, "must be a JSON object")]
    violations: list[Violation] = []
    for name, value in payload.items():
        problem = _check_field(name, value, schema)
        if problem:
            violations.append((f"{path}.{name}", problem))
    return violations


def _check_field(name: str, value: Any, schema: Schema) -> str:
    kind = schema.get(name)
    if kind is None:
        known = ", ".join(sorted(schema)) or "none"
        return f"is not in the collection's spec.payload (fields: {known}); add it there or leave it out"
    if value is None:
        return ""
    try:
        canonical(value, kind)
    except ValueError as error:
        return str(error)
    return ""


def canonical(value: Any, kind: FieldType) -> str | int | float | bool:
    """Returns a JSON value as its field's type. Raises ValueError that says what it must be."""
    match kind, value:
        case (("keyword" | "text"), str()):
            return value
        case "bool", bool():
            return value
        case _, bool():
            pass
        case "float", int() | float() if math.isfinite(value):
            return float(value)
        case "integer", int() | float() if value == int(value) and abs(value) <= LARGEST_INTEGER:
            return int(value)
        case "datetime", str():
            micros(value)
            return value
        case "uuid", str() if _UUID.fullmatch(value):
            return value.lower()
    raise ValueError(f"must be {_WANTED[kind]}, not {_shown(value)}")


def micros(text: str) -> int:
    """Returns an RFC 3339 time as microseconds since 1970. Raises ValueError."""
    try:
        return round(parse_rfc3339(text) * 1_000_000)
    except ValueError as error:
        raise ValueError(f"must be {_WANTED['datetime']}, not {_shown(text)}") from error


def filter_form(value: str | int | float | bool, kind: FieldType) -> str | int | float:
    """Returns the value as the engine compares it."""
    if kind == "bool":
        return "true" if value else "false"
    if kind == "datetime":
        return micros(str(value))
    return value


def document(
    item_id: str, text: str, payload: Mapping[str, Any], schema: Schema, times: Times
) -> dict[str, Any]:
    """Returns the stored document of an item whose payload has been checked; nulls are left out."""
    given = {name: canonical(value, schema[name]) for name, value in payload.items() if value is not None}
    forms = {
        name: filter_form(value, schema[name])
        for name, value in given.items()
        if _FILTERABLE[schema[name]][0] == "f"
    }
    stored: dict[str, Any] = {"id": item_id, "text": text, "saved": times.saved, "p": given}
    if forms:
        stored["f"] = forms
    if times.expires is not None:
        stored["exp"] = times.expires
    return stored


def field_type(name: str) -> FieldType | None:
    """Returns the type of that name, None if there is none."""
    return next((known for known in FIELD_TYPES if known == name), None)


_WANTED: dict[FieldType, str] = {
    "keyword": "a string",
    "text": "a string",
    "bool": "true or false",
    "float": "a number",
    "integer": f"a whole number between -{LARGEST_INTEGER} and {LARGEST_INTEGER}",
    "uuid": 'a UUID, like "0190163d-8694-739b-aea5-966c26f8ad91"',
    "datetime": 'an RFC 3339 time with a zone, like "2025-01-31T09:00:00Z"',
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
