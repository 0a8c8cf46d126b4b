"""CustomResourceDefinitions: structural schemas with CEL rules, in the API server's dialect."""

from typing import Any

from quarterdeck.resources.constants import GROUP, VERSION
from quarterdeck.resources.kinds import KindInfo
from quarterdeck.resources.scalars import NAME_PATTERN
from quarterdeck.resources.schemas import Schema, full_schema

_LEFT_OUT = frozenset({"propertyNames", "examples"})
# A list without it is atomic.
_LIST_TYPE = "x-kubernetes-list-type"


def crd(info: KindInfo) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": info.scope,
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.plural,
                "singular": info.singular,
                "shortNames": list(info.short_names),
                "categories": list(info.categories),
            },
            "versions": [_version(info)],
        },
    }


def _version(info: KindInfo) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema(info.kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {
                "name": column.name,
                "type": column.type,
                "jsonPath": column.path,
                **({"priority": 1} if column.wide else {}),
            }
            for column in info.columns
        ],
    }


def object_schema(kind: str) -> Schema:
    """Return the structural schema of a kind's objects."""
    schema = structural(full_schema(kind))
    properties = schema["properties"]
    for name in ("apiVersion", "kind"):
        properties[name] = {"type": "string", "description": properties[name]["description"]}
    object_name = {"type": "string", "maxLength": 63, "pattern": NAME_PATTERN}
    properties["metadata"] = {"type": "object", "properties": {"name": object_name}}
    schema["required"] = [name for name in schema["required"] if name == "spec"]
    if not schema["required"]:
        del schema["required"]
    return schema


def structural(schema: Schema, *, owned_whole: bool = False) -> Schema:
    """Return a schema in the dialect of CRDs.

    Args:
        owned_whole: it is of items of a list that one manager owns as a whole. What the API server filled in
            there would differ from what a second manager applies, and be a conflict: so it fills in nothing.
    """
    found: Schema = {}
    owned_whole = owned_whole or (schema.get("type") == "array" and _LIST_TYPE not in schema)
    for key, value in schema.items():
        if key in _LEFT_OUT or (key == "additionalProperties" and not isinstance(value, dict)):
            continue
        found[key] = _keyword(key, value, owned_whole)
    return _bounds(_with_whole_default(found))


def _with_whole_default(schema: Schema) -> Schema:
    """Write out an object's default: an API server judges it by the rules before it fills in its fields."""
    if schema.get("default") != {} or "properties" not in schema:
        return schema
    fields = schema["properties"].items()
    return {**schema, "default": {name: part["default"] for name, part in fields if "default" in part}}


def _keyword(key: str, value: Any, owned_whole: bool) -> Any:
    if key == "properties":
        return {name: _field(part, owned_whole) for name, part in value.items()}
    return structural(value, owned_whole=owned_whole) if key in ("items", "additionalProperties") else value


def _field(schema: Schema, owned_whole: bool) -> Schema:
    found = structural(schema, owned_whole=owned_whole)
    if owned_whole:
        found.pop("default", None)
    return found


def _bounds(schema: Schema) -> Schema:
    """Write constants and exclusive bounds as OpenAPI 3.0 does, and say how long whole numbers are."""
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "exclusiveMinimum" in schema:
        schema["minimum"], schema["exclusiveMinimum"] = schema["exclusiveMinimum"], True
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    return schema
