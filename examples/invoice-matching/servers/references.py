"""Finding invoice numbers and payment references in what a payer wrote. Pure functions over text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_SEPARATORS = r"[\s\-/.]{0,2}"
_NOT_REFERENCES = re.compile(
    # customer numbers
    r"\b(?:klant|customer|client|kunden|kd)\w*[\s.:#-]*(?:nr|no|n°|nummer|number)?[\s.:#-]*\d+"
    r"|\b\d{1,2}[/.:]\d{2}\b(?![/.\-]?\d)"  # a day and month, or a time
    r"|\b\d{1,2}[/.\-]\d{1,2}[/.\-]\d{4}\b"  # a date
    r"|\b\d+\s*/\s*\d\b",  # part 1/2
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{0,4}[\-/]?\d[\d\-/.]*(?![A-Za-z0-9])")
SHORTEST = 4
"""Digits a number needs before it counts as a reference on its own."""


def alphanumeric(text: str) -> str:
    """The text's letters and digits, in capitals: how references are compared."""
    return "".join(char for char in text.upper() if char.isalnum())


@lru_cache(maxsize=8192)
def _number_pattern(number: str) -> re.Pattern[str] | None:
    chunks = re.findall(r"[A-Za-z]+|\d+", number)
    if sum(map(len, chunks)) < SHORTEST:
        return None
    body = _SEPARATORS.join(map(re.escape, chunks))
    return re.compile(rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])", re.IGNORECASE)


def names_number(text: str, number: str) -> bool:
    """Whether the text names this invoice number as a whole; separators may differ or be missing."""
    pattern = _number_pattern(number)
    return bool(pattern and pattern.search(text))


def same_reference(structured: str, payment_reference: str) -> bool:
    """Whether two structured references are the same, written with or without separators."""
    wanted = alphanumeric(payment_reference)
    return len(wanted) >= SHORTEST and wanted == alphanumeric(structured)


def unexplained_numbers(text: str, numbers: Iterable[str]) -> list[str]:
    """Numbers in the text that look like references and are none of ``numbers``.

    Dates, times and customer numbers do not count.
    """
    for number in numbers:
        pattern = _number_pattern(number)
        text = pattern.sub(" ", text) if pattern else text
    text = _NOT_REFERENCES.sub(" ", text)
    found = (match.group() for match in _NUMBER.finditer(text))
    return [number for number in found if sum(map(str.isdigit, number)) >= SHORTEST]
