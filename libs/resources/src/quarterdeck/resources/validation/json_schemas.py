"""JSON Schemas in specs are valid, small enough, without remote references or patterns that blow up."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.resources.errors import FieldError, join_path
from quarterdeck.resources.field_errors import path_text
from quarterdeck.resources.metadata import Resource

MAX_PATTERN = 1_000


def json_schemas(resource: Resource) -> Iterator[FieldError]:
    """Check every JSON Schema of an object."""
    for path, schema in _schemas(resource):
        yield from (error.under(path) for error in schema_errors(schema))


def _schemas(resource: Resource) -> Iterator[tuple[str, Any]]:
    if resource.kind not in ("Agent", "Workflow"):
        return
    for name in ("input", "output"):
        holder = getattr(resource.spec, name)
        if holder is not None and hasattr(holder, "schema_"):
            yield f"spec.{name}.schema", holder.schema_
    for index, node in enumerate(getattr(resource.spec, "nodes", ())):
        signal = node.wait.signal if node.wait else None
        if signal and signal.schema_ is not None:
            yield f"spec.nodes[{index}].wait.signal.schema", signal.schema_


def schema_errors(schema: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield what is wrong with a JSON Schema; paths are below it."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if problem := best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)):
        yield FieldError(path_text(problem.absolute_path), f"not a JSON Schema: {problem.message[:200]}")
        return
    yield from _details(schema, "")


def _details(schema: Any, path: str) -> Iterator[FieldError]:
    """Walk a valid schema for references that lead elsewhere and for bad patterns."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _details(part, f"{path}[{index}]")
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield FieldError(join_path(path, "$ref"), "only references inside the schema (#/…) are allowed")
    if isinstance(pattern := schema.get("pattern"), str) and (problem := pattern_problem(pattern)):
        yield FieldError(join_path(path, "pattern"), problem)
    for key, part in schema.items():
        if key not in ("const", "enum", "default", "examples"):
            yield from _details(part, join_path(path, path_text([str(key)])))


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a regular expression, None when it may be used on input from outside.

    A repetition inside a repetition is refused: matching could take for ever, and holds the interpreter.
    """
    if len(pattern) > MAX_PATTERN:
        return f"the pattern is longer than {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression: {error}"
    return "a repetition inside a repetition could take for ever" if _nested(pattern) else None


def _nested(pattern: str) -> bool:
    """Tell whether an unbounded repetition holds another one, reading the pattern as text."""
    text = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern)
    inner = re.compile(r"\((?:\?:|\?P<\w+>|\?[=!]|\?<[=!])?([^()]*)\)(\*|\+|\{\d+,\})?")
    while found := inner.search(text):
        repeats = bool(re.search(r"[*+]|\{\d+,\}", found[1]))
        if found[2] and repeats:
            return True
        text = text[: found.start()] + ("x+" if repeats else "x") + text[found.end() :]
    return False
