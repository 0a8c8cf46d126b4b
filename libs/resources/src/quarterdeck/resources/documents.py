"""Documents against an author's JSON Schema, in time that neither of the two can choose.

The usual validator may run for ever: patterns that backtrack, alternatives that double at every level, items
that are each compared with all others. Here patterns are RE2's (as in expressions), items are compared by
their hash, and the number of steps is bounded by the size of the document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.expressions import STRING, compile_expression

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

STEPS, STEPS_PER_VALUE = 10_000, 200
"""Keywords that may be looked at: so many, and so many more for each value of the document."""

MOST_VIOLATIONS = 20
MESSAGE_LIMIT = 300

_steps_left: ContextVar[list[int]] = ContextVar("steps_left")


@dataclass(frozen=True, slots=True)
class Violation:
    """One place of a document that does not fit; `path` holds keys and indices from the top."""

    path: tuple[str | int, ...]
    message: str


class UnusableSchema(ValueError):
    """The schema cannot be used, whatever the document; the message says why."""


def find_violations(document: Any, schema: Mapping[str, Any], *, formats: bool = False) -> list[Violation]:
    """Return where a document does not fit, at most `MOST_VIOLATIONS` places, in their order.

    Args:
        formats: also check what `format` says.

    Raises:
        UnusableSchema: it is no JSON Schema, refers to what is not there or to itself without end, has a
            pattern that is no RE2, or asks for more steps than a document of this size is worth.
    """
    from referencing.exceptions import Unresolvable

    validator = _compiled(json.dumps(schema, sort_keys=True), formats)
    token = _steps_left.set([STEPS + STEPS_PER_VALUE * _count(document)])
    try:
        found = list(islice(validator.iter_errors(document), MOST_VIOLATIONS))
    except Unresolvable as missing:
        raise UnusableSchema(f"$ref {missing.ref!r} leads nowhere") from None
    except RecursionError:
        raise UnusableSchema("it refers to itself without end") from None
    finally:
        _steps_left.reset(token)
    places = [Violation(tuple(error.absolute_path), _cut(error.message)) for error in found]
    return sorted(places, key=lambda place: [(isinstance(part, str), part) for part in place.path])


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern, None when it is an RE2 regular expression."""
    try:
        _matches(pattern, "")
    except UnusableSchema as error:
        return str(error)
    return None


def leads_somewhere(reference: str, schema: Mapping[str, Any]) -> bool:
    """Return whether a `$ref` of a schema (`#/$defs/x`, `#anchor`) is found inside it."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    whole = Registry().with_resource("", DRAFT202012.create_resource(schema))
    try:
        whole.resolver().lookup(reference)
    except Unresolvable:
        return False
    return True


@lru_cache(maxsize=512)
def _compiled(schema: str, formats: bool) -> Validator:
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    parsed = json.loads(schema)
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError as error:
        raise UnusableSchema(f"it is not a JSON Schema: {_cut(error.message)}") from None
    # An empty registry: a reference to another document must not be fetched.
    checker = Draft202012Validator.FORMAT_CHECKER if formats else None
    validator: Validator = _bounded_class()(parsed, registry=Registry(), format_checker=checker)
    return validator


@lru_cache(maxsize=1)
def _bounded_class() -> Any:
    from jsonschema import Draft202012Validator, validators

    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    keywords = {**Draft202012Validator.VALIDATORS, **own}
    extend: Any = validators.extend
    return extend(Draft202012Validator, {name: _counted(check) for name, check in keywords.items()})


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    """Let a keyword cost a step, and a long list or mapping of the schema more."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        left = _steps_left.get()
        left[0] -= 1 + (len(value) // 16 if isinstance(value, list | dict) else 0)
        if left[0] < 0:
            raise UnusableSchema("checking this document against it takes too many steps; make it simpler")
        return check(validator, value, instance, schema)

    return counted


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield _error(f"{_cut(repr(instance))} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, part in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [
        name
        for name in instance
        if name not in known and not any(_matches(pattern, name) for pattern in patterns)
    ]
    if isinstance(allowed, dict):
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extras:
        yield _error(f"no such field: {', '.join(map(repr, sorted(extras)[:MOST_VIOLATIONS]))}")


def _unique_items(_validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if not wanted or not isinstance(instance, list):
        return
    seen: dict[str, int] = {}
    for index, item in enumerate(instance):
        earlier = seen.setdefault(_canonical(item), index)
        if earlier != index:
            yield _error(f"items {earlier} and {index} are the same; each may be there once")
            return


def _canonical(value: Any) -> str:
    """Write a value so that equal ones are written alike: 1 and 1.0 are, true and 1 are not."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    return value


def _matches(pattern: str, text: str) -> bool:
    """Search for a pattern in time that grows with the text alone."""
    try:
        found = compile_expression("text.matches(pattern)", {"text": STRING, "pattern": STRING})
        return bool(found.evaluate({"text": text, "pattern": pattern}))
    except ExpressionError as error:
        reason = error.message.removeprefix("invalid regular expression: ")
        raise UnusableSchema(f"the pattern {_cut(pattern)!r} cannot be used: {reason}") from None


def _error(message: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message)


def _count(document: Any) -> int:
    """Return the number of values in a document."""
    total, level = 0, [document]
    while level:
        total += len(level)
        level = [part for value in level for part in _parts(value)]
    return total


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[:MESSAGE_LIMIT]}…"
