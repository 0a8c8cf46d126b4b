"""Small pieces that all conversions share: embedded JSON, empty strings, enum words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json, to_json

from quarterdeck.common.errors import InvalidArgument


def embedded(data: bytes) -> Any:
    """Returns the value of a `…_json` field; empty bytes are None."""
    return from_json(data) if data else None


def encoded(value: Any) -> bytes:
    """Returns the bytes for a `…_json` field; None is empty bytes."""
    return b"" if value is None else to_json(value)


def word(enum: Any, value: int, prefix: str) -> str:
    """Returns an enum value as a kebab-case word: RUN_STATE_TIMED_OUT is "timed-out"."""
    name: str = enum.Name(value)
    return name.removeprefix(prefix).lower().replace("_", "-")


def number(enum: Any, text: str, prefix: str, field: str) -> Any:
    """Returns the enum value of a kebab-case word. Raises InvalidArgument with the known words."""
    name = prefix + text.upper().replace("-", "_")
    known = [key for key in enum.keys() if not key.endswith("_UNSPECIFIED")]  # noqa: SIM118
    if name not in known:
        words = ", ".join(key.removeprefix(prefix).lower().replace("_", "-") for key in known)
        raise InvalidArgument(f"{field}: {text!r} is not known", field=field, hint=f"one of: {words}")
    return enum.Value(name)


def words(values: Iterable[str]) -> list[str]:
    """Splits repeated and comma-separated query values: ["a,b", "c"] is ["a", "b", "c"]."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
