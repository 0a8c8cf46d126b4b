"""What the fields of a kind mean, read from the JSON Schema of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.cli.constants import EXIT_NOT_FOUND
from quarterdeck.cli.errors import CliError

Schema = Mapping[str, Any]
RULES = "x-kubernetes-validations"


class Explainer:
    """A kind's schema, and ways to walk it."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Schema] = schema.get("$defs", {})

    def find(self, path: list[str]) -> tuple[Schema, bool]:
        """Returns the schema of a field and whether it is required. Raises CliError with the known fields."""
        current, required = self._schema, True
        walked: list[str] = []
        for part in path:
            fields = self.fields(current)
            if part not in fields:
                where = ".".join(walked) or "the kind"
                known = ", ".join(fields) or "none"
                raise CliError(
                    f"{where} has no field {part!r}", hint=f"its fields: {known}", code=EXIT_NOT_FOUND
                )
            required = part in self.resolve(current).get("required", ())
            current = fields[part]
            walked.append(part)
        return current, required

    def fields(self, schema: Schema) -> Mapping[str, Schema]:
        """Returns the fields of an object, of a list's items, or of a map's values."""
        found: Mapping[str, Schema] = self.inner(schema).get("properties", {})
        return found

    def inner(self, schema: Schema) -> Schema:
        """Returns the object schema behind references, options, lists and maps."""
        resolved = self.resolve(schema)
        for key in ("items", "additionalProperties"):
            if isinstance(resolved.get(key), Mapping) and "properties" not in resolved:
                return self.inner(resolved[key])
        return resolved

    def resolve(self, schema: Schema) -> Schema:
        """Follows a reference, and the one option of "this or null"."""
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            return self.resolve({**self._definitions[name], **_beside(schema)})
        options = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
        if len(options) == 1:
            return self.resolve({**options[0], **_beside(schema)})
        return schema

    def type_of(self, schema: Schema) -> str:
        """Returns a type as people write it: "string", "[]object", "map[string]string"."""
        resolved = self.resolve(schema)
        if isinstance(resolved.get("items"), Mapping):
            return f"[]{self.type_of(resolved['items'])}"
        values = resolved.get("additionalProperties")
        if isinstance(values, Mapping) and "properties" not in resolved:
            return f"map[string]{self.type_of(values)}"
        options = [self.type_of(item) for item in resolved.get("anyOf", ())]
        if options:
            return " or ".join(dict.fromkeys(options))
        if "const" in resolved:
            return repr(resolved["const"])
        return str(resolved.get("type", "any"))


def _beside(schema: Schema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key in ("description", "default")}


def explain_lines(kind: str, schema: Schema, path: list[str]) -> list[str]:
    """Returns the text of `qd explain` for a kind's schema and a path of field names. Raises CliError."""
    explainer = Explainer(schema)
    found, required = explainer.find(path)
    inner = explainer.inner(found)
    lines = [f"KIND:   {kind}"]
    if path:
        lines.append(
            f"FIELD:  {'.'.join(path)} <{explainer.type_of(found)}>{' required' if required else ''}"
        )
    described = explainer.resolve(found).get("description") or inner.get("description") or ""
    lines += ["", *(f"  {line}" for line in str(described).splitlines()), *_facts(explainer.resolve(found))]
    lines += [f"  rule: {rule['message']}" for rule in inner.get(RULES, ())]
    fields = explainer.fields(found)
    if fields:
        lines += ["", "FIELDS:", *_field_lines(explainer, inner, fields)]
    return lines


def _facts(schema: Schema) -> list[str]:
    """Returns default, choices and bounds, a line each."""
    names = {
        "enum": "one of",
        "default": "default",
        "pattern": "form",
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "maxItems": "entries at most",
        "maxLength": "characters at most",
    }
    facts = {label: schema[key] for key, label in names.items() if schema.get(key) not in (None, "", [], {})}
    return [f"  {label}: {_value(value)}" for label, value in facts.items()]


def _value(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _field_lines(explainer: Explainer, inner: Schema, fields: Mapping[str, Schema]) -> list[str]:
    required = inner.get("required", ())
    lines = []
    for name, schema in fields.items():
        mark = "  required" if name in required else ""
        lines.append(f"  {name} <{explainer.type_of(schema)}>{mark}")
        text = explainer.resolve(schema).get("description") or ""
        lines += [f"      {line}" for line in str(text).splitlines()]
    return lines
