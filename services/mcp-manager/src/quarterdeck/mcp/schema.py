"""Validation against a tool's JSON Schema, with the path of what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_MESSAGE_LIMIT = 300
_PATTERN_KEYS = frozenset({"pattern", "patternProperties"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document: a path like "items[2].amount" (empty: the whole) and a sentence."""

    path: str
    message: str


class BadSchema(Exception):
    """The schema itself cannot be used; the message says why."""


def compile_schema(schema: dict[str, Any]) -> Validator:
    """Returns a validator. Raises BadSchema.

    References are resolved inside the schema only: following one to a network address would let a tool
    server make us call it.
    """
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        cls = validator_for(schema, default=Draft202012Validator)
        cls.check_schema(schema)
        return cls(schema, registry=Registry())
    except SchemaError as error:
        raise BadSchema(f"not a valid JSON Schema: {_cut(error.message)}") from None
    except (RecursionError, TypeError, AttributeError) as error:
        raise BadSchema(f"not a usable JSON Schema: {type(error).__name__}") from None


def find_problem(validator: Validator, document: Any) -> Problem | None:
    """Returns the most telling violation, or None. Raises BadSchema for a reference that leads nowhere."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(validator.iter_errors(document))
    except Unresolvable as missing:
        raise BadSchema(f"$ref {missing.ref!r} does not resolve inside the schema") from None
    except RecursionError:
        raise BadSchema("the schema refers to itself without end") from None
    if error is None:
        return None
    return Problem(format_path(error.absolute_path), _cut(error.message))


def format_path(parts: Iterable[str | int]) -> str:
    """Returns ["items", 2, "amount"] as "items[2].amount"."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def may_run_long(schema: Any) -> bool:
    """Returns whether validating may take unbounded time: a regular expression can backtrack for hours."""
    if isinstance(schema, Mapping):
        return not _PATTERN_KEYS.isdisjoint(schema) or any(may_run_long(value) for value in schema.values())
    if isinstance(schema, list):
        return any(may_run_long(value) for value in schema)
    return False


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[:_MESSAGE_LIMIT] + "…"
