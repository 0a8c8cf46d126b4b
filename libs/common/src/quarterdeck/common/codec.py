"""JSON in and out, in one place, so that every service writes the same bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import from_json, to_json

from quarterdeck.common.errors import InvalidArgument


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
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidArgument(f"not valid JSON: {error}", field=field) from error


def canonical(value: Any) -> bytes:
    """Returns JSON with sorted keys and no spaces, the form that hashes are taken over."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """Returns the SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
