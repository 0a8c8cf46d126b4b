"""Lengths of time as text: `30s`, `5m`, `1h30m`, `7d`, `250ms`."""

import re

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(
    r"(?:(?P<d>[0-9]{1,5})d)?(?:(?P<h>[0-9]{1,6})h)?(?:(?P<m>[0-9]{1,7})m)?"
    r"(?:(?P<s>[0-9]{1,9})s)?(?:(?P<ms>[0-9]{1,9})ms)?"
)


def duration_seconds(text: str) -> float:
    """Return the length in seconds. Raises `ValueError` when `text` is not a duration."""
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m, 1h30m or 7d")
    return sum(int(number) * _UNITS[unit] for unit, number in found.groupdict().items() if number)


def duration_text(seconds: float) -> str:
    """Return the shortest text of a length in seconds, rounded to milliseconds (`0s` for none)."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
