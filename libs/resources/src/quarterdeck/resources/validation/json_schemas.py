"""JSON Schemas in specs are valid, and their references and patterns can be used."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from quarterdeck.resources import documents
from quarterdeck.resources.errors import FieldError, join_path
from quarterdeck.resources.field_errors import path_text
from quarterdeck.resources.metadata import Resource

MAX_PATTERN = 1_000
# Verdicts of schemas up to this size are kept: objects that change, and their kin, mostly have the same ones.
KEPT, KEPT_SIZE = 512, 8_192


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
    try:
        text = json.dumps(schema)
    except TypeError:  # what only YAML can say, as a date
        text = ""
    yield from _kept_errors(text) if 0 < len(text) <= KEPT_SIZE else _errors(schema)


@lru_cache(maxsize=KEPT)
def _kept_errors(text: str) -> tuple[FieldError, ...]:
    return tuple(_errors(json.loads(text)))


def _errors(schema: Mapping[str, Any]) -> Iterator[FieldError]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if problem := best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)):
        yield FieldError(path_text(problem.absolute_path), f"not a JSON Schema: {problem.message[:200]}")
        return
    yield from _details(schema, schema, "")


def _details(part: Any, whole: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    """Walk a valid schema for references that lead elsewhere or nowhere, and for bad patterns."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _details(item, whole, f"{path}[{index}]")
    if not isinstance(part, Mapping):
        return
    if problem := _reference_problem(part.get("$ref"), whole):
        yield FieldError(join_path(path, "$ref"), problem)
    if isinstance(pattern := part.get("pattern"), str) and (problem := pattern_problem(pattern)):
        yield FieldError(join_path(path, "pattern"), problem)
    yield from _pattern_keys(part.get("patternProperties"), join_path(path, "patternProperties"))
    for key, value in part.items():
        if key not in ("const", "enum", "default", "examples"):
            yield from _details(value, whole, join_path(path, path_text([str(key)])))


def _pattern_keys(patterns: Any, path: str) -> Iterator[FieldError]:
    for pattern in patterns if isinstance(patterns, Mapping) else ():
        if problem := pattern_problem(pattern):
            yield FieldError(join_path(path, path_text([pattern])), problem)


def _reference_problem(reference: Any, whole: Mapping[str, Any]) -> str | None:
    if not isinstance(reference, str):
        return None
    if not reference.startswith("#"):
        return "only references inside the schema (#/…) are allowed"
    return None if documents.leads_somewhere(reference, whole) else f"{reference} leads nowhere"


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a regular expression, None when it may be used on input from outside.

    It must be RE2's: these take time that grows with the text alone, whatever the pattern.
    """
    if len(pattern) > MAX_PATTERN:
        return f"the pattern is longer than {MAX_PATTERN} characters"
    return documents.pattern_problem(pattern)
