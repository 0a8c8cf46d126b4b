"""From a JSON Schema to what the type checker of expressions can use.

The checker knows no records, so the fields of a typed object become variables with dotted names
(`input.amount`), which it prefers to a field of `input`. `number` stays untyped: JSON does not tell 5 from
5.0, and CEL does.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.resources.cel_environment import BOOL, DYN, INT, LIST, MAP, STRING, CelType
from quarterdeck.resources.cel_paths import Path
from quarterdeck.resources.field_errors import closest

MAX_DEPTH = 5
MAX_VARIABLES = 200
_SCALARS = {"string": STRING, "integer": INT, "boolean": BOOL}


def variables_of(root: str, schema: Mapping[str, Any] | None) -> dict[str, CelType]:
    """Return the typed variables that a value of this schema gives, `root` itself included.

    An object as a whole stays untyped.
    """
    whole = type_of(schema or {})
    found: dict[str, CelType] = {root: DYN if whole == MAP else whole}
    for name, kind in _fields((root,), schema or {}):
        if len(found) >= MAX_VARIABLES:
            break
        found[name] = kind
    return found


def _fields(path: Path, schema: Mapping[str, Any]) -> Iterator[tuple[str, CelType]]:
    properties = schema.get("properties")
    if len(path) > MAX_DEPTH or not isinstance(properties, Mapping):
        return
    for name, part in properties.items():
        if isinstance(name, str) and name.isidentifier() and isinstance(part, Mapping):
            kind = type_of(part)
            if kind != DYN:
                yield ".".join((*path, name)), kind
            yield from _fields((*path, name), part)


def type_of(schema: Mapping[str, Any]) -> CelType:
    """Return the CEL type of a schema's values, `dyn` when it does not fix one."""
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        element = type_of(items) if isinstance(items, Mapping) else DYN
        return f"list<{element}>" if element in _SCALARS.values() else LIST
    if kind == "object" and not schema.get("properties"):
        return MAP
    return _SCALARS.get(kind, DYN) if isinstance(kind, str) else DYN


def unknown_field(path: Path, schema: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return message and hint when a path reads a field that a closed object cannot have, else None."""
    current: Any = schema
    for depth, name in enumerate(path[1:], start=1):
        if not isinstance(current, Mapping) or not isinstance(current.get("properties"), Mapping):
            return None
        properties = current["properties"]
        if name not in properties:
            if current.get("additionalProperties") is not False or current.get("patternProperties"):
                return None
            known = [str(key) for key in properties]
            base = ".".join(path[:depth])
            return f"{base} has no field {name!r}", closest(name, known) or f"fields: {', '.join(known[:20])}"
        current = properties[name]
    return None
