"""Values on their way into and out of CEL: bounded JSON in, plain JSON out."""

import base64
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from quarterdeck.resources.constants import (
    MAX_EXPRESSION_INPUT_CHARS,
    MAX_EXPRESSION_INPUT_ELEMENTS,
    MAX_VALUE_DEPTH,
)


class BadValue(ValueError):
    """A value is too large, too deep or not JSON; the message says which."""


class BadResult(BadValue):
    """What an expression gave is not JSON."""


def check_input(value: Any) -> None:
    """Refuse what is too large, nested too deeply (the library would overflow its stack) or not JSON."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    elements = chars = 0
    while pending:
        item, depth = pending.pop()
        elements += 1
        if isinstance(item, str):
            chars += len(item)
        elif isinstance(item, (dict, list)):
            if depth >= MAX_VALUE_DEPTH:
                raise BadValue(f"the input is nested deeper than {MAX_VALUE_DEPTH} levels")
            if len(item) > MAX_EXPRESSION_INPUT_ELEMENTS:
                elements += len(item)
            else:
                parts = item.values() if isinstance(item, dict) else item
                pending.extend((part, depth + 1) for part in parts)
        elif item is not None and not isinstance(item, (bool, int, float)):
            raise BadValue(f"the input holds a {type(item).__name__}, which is not JSON")
        if elements > MAX_EXPRESSION_INPUT_ELEMENTS:
            raise BadValue(f"the input holds more than {MAX_EXPRESSION_INPUT_ELEMENTS} values")
        if chars > MAX_EXPRESSION_INPUT_CHARS:
            raise BadValue(f"the input holds more than {MAX_EXPRESSION_INPUT_CHARS} characters of text")


def plain(value: Any, null: Any) -> Any:
    """Return a CEL value as Python objects.

    The library's own `plain_value()` gives back a null without owning a reference to it: every one, at any
    depth, takes a reference away from `None` for good, and a long-lived process would abort. So it is never
    asked about a null. `null` is the library's type of one.
    """
    if value.type() == null:
        return None
    content = value.value()
    if isinstance(content, dict):
        return {key: plain(item, null) for key, item in content.items()}
    if isinstance(content, list):
        return [plain(item, null) for item in content]
    return content


def to_json(value: Any) -> Any:
    """Turn a plain CEL value into JSON.

    A timestamp becomes RFC 3339 text, a duration `<seconds>s`, bytes base64. Keys of an object are sorted,
    because the library returns them in an order that differs from process to process.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadResult(f"the result is {value}, which is not a JSON number")
        return value
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return _object(value)
    return _special(value)


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in value):
        raise BadResult("the result has an object with keys that are not strings")
    return {key: to_json(value[key]) for key in sorted(value)}


def _special(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    raise BadResult(f"the result is a {type(value).__name__}, which has no JSON form")
