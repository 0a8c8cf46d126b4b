"""JSON in and out, in one place, so that every service writes the same bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import from_json, to_json

from quarterdeck.common.constants import MAX_JSON_DEPTH
from quarterdeck.common.errors import InvalidArgument

# Nesting that the parser takes; it cannot be set.
_PARSER_DEPTH = 200


def dumps(value: Any) -> bytes:
    """Returns `value` as compact UTF-8 JSON. Raises PydanticSerializationError for what JSON has not."""
    return to_json(value, inf_nan_mode="null")


def loads(data: bytes | str) -> Any:
    """Reads JSON. Raises ValueError with the position if it is malformed."""
    return from_json(data, allow_inf_nan=False)


def loads_field(data: bytes, field: str) -> Any:
    """Reads a JSON field of a request; empty bytes are None. Raises InvalidArgument naming the field."""
    if not data:
        return None
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidArgument(f"not valid JSON: {error}", field=field) from error
    if is_deep(data):
        raise InvalidArgument(f"nested deeper than {MAX_JSON_DEPTH} levels", field=field)
    return value


def is_deep(data: bytes, limit: int = MAX_JSON_DEPTH) -> bool:
    """True if valid JSON is nested deeper than `limit` levels (200 at most)."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    around = _PARSER_DEPTH - limit
    try:
        from_json(b"[" * around + data + b"]" * around)
    except ValueError:
        return True
    return False


def canonical(value: Any) -> bytes:
    """Returns JSON with sorted keys and no spaces, the form that hashes are taken over."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """Returns the SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
