"""Does a value hold at least what is expected? Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


class _Missing:
    """Stands for a field or an entry that is not there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a value is not as expected. `path` is like `.items[2].amount`, empty for the whole."""

    path: str
    expected: Any
    actual: Any


def fits(expected: Any, actual: Any) -> bool:
    """True if `actual` holds at least `expected`."""
    return next(differences(expected, actual), None) is None


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[Difference]:
    """Yields each place where `actual` is not at least `expected`.

    Objects may have more fields than expected; lists are as long as expected. 121 and 121.0 are equal.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            yield from differences(value, actual.get(key, MISSING), f"{path}{_step(key)}")
    elif _is_list(expected) and _is_list(actual):
        for index in range(max(len(expected), len(actual))):
            yield from differences(_at(expected, index), _at(actual, index), f"{path}[{index}]")
    elif not _same(expected, actual):
        yield Difference(path, expected, actual)


def _step(key: str) -> str:
    return f".{key}" if key.replace("_", "").replace("-", "").isalnum() else f"[{key!r}]"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else MISSING


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) and isinstance(actual, int | float):
        return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(expected, int) and isinstance(actual, float):
        return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-12)
    return bool(expected == actual)
