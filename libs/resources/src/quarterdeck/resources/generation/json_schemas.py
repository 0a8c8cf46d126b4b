"""JSON Schemas for editors and other tools: the same verdicts without a cluster."""

from typing import Any

from quarterdeck.resources.constants import GROUP, VERSION
from quarterdeck.resources.kinds import KindInfo
from quarterdeck.resources.schemas import Schema, full_schema

_PREFIX = "x-kubernetes-"


def json_schema(info: KindInfo) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a kind's manifests."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{GROUP}/schemas/{VERSION}/{info.singular}.json",
        "title": info.kind,
        **_plain(full_schema(info.kind)),
    }


def _plain(schema: Schema) -> Schema:
    found = {key: _keyword(key, value) for key, value in schema.items() if not key.startswith(_PREFIX)}
    if choices := [_one_of(rule) for rule in schema.get("x-kubernetes-validations", []) if _one_of(rule)]:
        found["allOf"] = choices
    if schema.get("x-kubernetes-list-type") == "set":
        found["uniqueItems"] = True
    return found


def _keyword(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _plain(part) for name, part in value.items()}
    return _plain(value) if key in ("items", "additionalProperties") and isinstance(value, dict) else value


def _one_of(rule: dict[str, str]) -> Schema | None:
    """Say the exactly-one rule as JSON Schema does."""
    start, found, rest = rule["message"].partition("exactly one of ")
    if start or not found:
        return None
    return {"oneOf": [{"required": [name]} for name in rest.removesuffix(" is needed").split(", ")]}
