"""Explaining a field, as `kubectl explain` does."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from quarterdeck.resources.constants import API_VERSION
from quarterdeck.resources.errors import FieldError, ValidationFailed
from quarterdeck.resources.field_errors import closest
from quarterdeck.resources.kinds import KINDS, find_kind
from quarterdeck.resources.schemas import Schema, children, full_schema, type_name

_WIDTH = 100


def explain(kind: str, path: str = "") -> str:
    """Return what a kind, or the field at `path` (`spec.nodes.tool`; indexes are ignored), means.

    Raises `ValidationFailed` when there is no such kind or field.
    """
    info = find_kind(kind)
    if info is None:
        hint = closest(kind, list(KINDS)) or f"one of {', '.join(KINDS)}"
        raise ValidationFailed([FieldError("", f"there is no kind {kind!r}", hint)])
    schema, required = _find(full_schema(info.kind), path)
    return "\n".join(_page(info.kind, path, schema, required)) + "\n"


def _find(schema: Schema, path: str) -> tuple[Schema, bool]:
    required = False
    walked: list[str] = []
    for name in [part for part in re.sub(r"\[[^\]]*\]", "", path).split(".") if part]:
        fields = children(schema)
        if name not in fields:
            hint = closest(name, list(fields)) or f"fields: {', '.join(fields) or 'none'}"
            raise ValidationFailed([FieldError(".".join([*walked, name]), "there is no such field", hint)])
        required = name in _required(schema)
        schema = fields[name]
        walked.append(name)
    return schema, required


def _required(schema: Schema) -> list[str]:
    inner: Schema = schema.get("items", {}) if schema.get("type") == "array" else schema
    found: list[str] = inner.get("required", [])
    return found


def _page(kind: str, path: str, schema: Schema, required: bool) -> Iterator[str]:
    yield f"KIND:       {kind}"
    yield f"VERSION:    {API_VERSION}"
    if path:
        yield ""
        yield f"FIELD:      {path} <{type_name(schema)}>{' -required-' if required else ''}"
    yield ""
    yield "DESCRIPTION:"
    yield _indented(schema.get("description", "any JSON value"))
    for heading, text in facts(schema):
        yield f"{heading + ':':<12}{text}"
    if fields := children(schema):
        yield ""
        yield "FIELDS:"
        wanted = _required(schema)
        for name, part in fields.items():
            yield f"  {name}\t<{type_name(part)}>{' -required-' if name in wanted else ''}"
            yield _indented(part.get("description", "any JSON value"))
            yield ""


def _indented(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")


def facts(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield what is fixed about a value: enumeration, default, bounds, rules."""
    if values := schema.get("enum", [schema["const"]] if "const" in schema else None):
        yield "ENUM", ", ".join(str(value) for value in values)
    if schema.get("default") not in (None, "", [], {}):
        yield (
            "DEFAULT",
            str(schema["default"]).lower() if schema["type"] == "boolean" else str(schema["default"]),
        )
    if bounds := ", ".join(_bounds(schema)):
        yield "BOUNDS", bounds
    for rule in schema.get("x-kubernetes-validations", []):
        yield "RULE", rule["message"]


_WORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} entries",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "pattern": "matches {}",
}


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for key, words in _WORDS.items():
        if key in schema:
            yield words.format(schema[key])
