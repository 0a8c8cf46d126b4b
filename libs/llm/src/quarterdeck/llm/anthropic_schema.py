"""Which JSON Schemas the Anthropic API can enforce, and in what form.

It takes closed objects and no type lists. A schema that leaves an object open (no named properties, or values
of any name) would come back narrower than the author wrote, so such a schema is not sent at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def native_schema(schema: Schema) -> dict[str, Any] | None:
    """The schema as the API takes it, or None when it cannot express it."""
    from anthropic import transform_schema

    prepared = _prepare(schema)
    if prepared is None or prepared.get("type", "object") != "object":
        return None
    try:
        return transform_schema(prepared)
    except (AssertionError, ValueError, TypeError, AttributeError):
        return None


def _prepare(schema: Any) -> dict[str, Any] | None:
    """Type lists as `anyOf`, at every level; None when an object is open or something is not understood."""
    if not isinstance(schema, Mapping):
        return None
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _variants(schema, kinds)
    if kinds == "object" and _is_open(schema):
        return None
    prepared = dict(schema)
    for keyword in ("properties", "$defs"):
        if keyword in schema:
            prepared[keyword] = {name: _prepare(part) for name, part in schema[keyword].items()}
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            prepared[keyword] = [_prepare(part) for part in schema[keyword]]
    if "items" in schema:
        prepared["items"] = _prepare(schema["items"])
    return None if _holds_none(prepared) else prepared


def _is_open(schema: Schema) -> bool:
    additional = schema.get("additionalProperties", False)
    return not schema.get("properties") or isinstance(additional, Mapping) or additional is True


def _variants(schema: Schema, kinds: list[str]) -> dict[str, Any] | None:
    """One variant per type. Values named by `enum` or `const` say their type themselves."""
    rest = {key: value for key, value in schema.items() if key not in ("type", "description", "title")}
    named = {key: schema[key] for key in ("description", "title") if key in schema}
    if "enum" in rest or "const" in rest:
        return {**named, **rest}
    variants = [_prepare({"type": kind, **(rest if kind != "null" else {})}) for kind in kinds]
    return None if None in variants else {**named, "anyOf": variants}


def _holds_none(prepared: Mapping[str, Any]) -> bool:
    parts: list[Any] = [prepared.get("items", ())]
    for keyword in ("properties", "$defs"):
        parts += prepared.get(keyword, {}).values()
    for keyword in ("anyOf", "oneOf", "allOf"):
        parts += prepared.get(keyword, ())
    return any(part is None for part in parts)
