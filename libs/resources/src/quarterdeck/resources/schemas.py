"""JSON Schemas of the kinds, with every reference written out."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from quarterdeck.resources.kinds import KINDS

Schema = dict[str, Any]


@lru_cache(maxsize=32)
def full_schema(kind: str) -> Schema:
    """Return the schema of a kind's objects: no `$ref`, no titles, no nulls; do not change it.

    It still carries the `x-kubernetes-*` fields and closes objects with `additionalProperties: false`.
    """
    model = KINDS[kind].model
    model.model_rebuild()
    raw = model.model_json_schema(mode="validation", by_alias=True)
    written: Schema = _written_out(raw, raw.get("$defs", {}))
    return written


def _written_out(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_written_out(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    merged = _with_keys(_without_reference(_without_null(schema), definitions))
    return {key: _part(key, value, definitions) for key, value in merged.items() if not _dropped(key, value)}


def _dropped(key: str, value: Any) -> bool:
    """Tell whether a keyword says nothing: a title (text, unlike a field of that name), a null default."""
    return (
        key == "$defs" or (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
    )


def _part(key: str, value: Any, definitions: Mapping[str, Any]) -> Any:
    if key == "properties":
        return {name: _written_out(part, definitions) for name, part in value.items()}
    if key in ("default", "enum", "const"):
        return value
    return _written_out(value, definitions)


def _without_reference(schema: Schema, definitions: Mapping[str, Any]) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    own = {key: value for key, value in schema.items() if key != "$ref"}
    target = _without_reference(definitions[reference.rsplit("/", 1)[-1]], definitions)
    if target.get("type") == "object" and own.get("default") is not None:
        own["default"] = {}
    return {**target, **own}


def _without_null(schema: Schema) -> Schema:
    """Turn `anyOf: [X, null]` into X; what stands beside it wins."""
    choices = schema.get("anyOf")
    if not choices:
        return schema
    (real,) = [choice for choice in choices if choice.get("type") != "null"]
    return {**real, **{key: value for key, value in schema.items() if key != "anyOf"}}


def _with_keys(schema: Schema) -> Schema:
    """Say the pattern of a map's keys beside the type of its values, not as part of it."""
    patterns = schema.get("patternProperties")
    if not patterns:
        return schema
    ((pattern, values),) = patterns.items()
    rest = {key: value for key, value in schema.items() if key != "patternProperties"}
    return {**rest, "additionalProperties": values, "propertyNames": {"pattern": pattern}}


def children(schema: Mapping[str, Any]) -> Mapping[str, Schema]:
    """Return the fields of an object or of a list's items; empty when there are none."""
    if schema.get("type") == "array":
        return children(schema.get("items", {}))
    found: Mapping[str, Schema] = schema.get("properties", {})
    return found


def type_name(schema: Mapping[str, Any]) -> str:
    """Return how the type is shown: `string`, `[]Object`, `map[string]string`, `any`."""
    kind = schema.get("type")
    if kind == "array":
        return f"[]{type_name(schema.get('items', {}))}"
    if kind == "object" and isinstance(values := schema.get("additionalProperties"), dict):
        return f"map[string]{type_name(values)}"
    return {"object": "Object", None: "any"}.get(kind, str(kind))
