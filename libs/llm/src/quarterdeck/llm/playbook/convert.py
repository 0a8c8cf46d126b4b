"""Numbers and dates as people write them on paper. Pure functions; what cannot be read is None."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

DecimalMark = Literal["auto", "comma", "point"]
DECIMAL_MARKS: tuple[str, ...] = get_args(DecimalMark)
ISO_DATE = "%Y-%m-%d"

_NUMBER = re.compile(r"[-+(]?\s*\d[\d.,'’\s\u00a0\u202f]*[-)]?")
_GROUPING = re.compile(r"['’\s\u00a0\u202f]")
_WORD = re.compile(r"[^\W\d_]+")

_MONTHS = {
    1: "january jan januar jän jänner janvier janv januari enero ene gennaio gen",
    2: "february feb februar février févr fév februari febrero febbraio",
    3: "march mar märz mär mrz mars maart mrt marzo",
    4: "april apr avril avr abril abr aprile",
    5: "may mai mei mayo maggio mag",
    6: "june jun juni juin junio giugno giu",
    7: "july jul juli juillet juil julio luglio lug",
    8: "august aug août augustus agosto ago",
    9: "september sep sept septembre septiembre settembre set",
    10: "october oct oktober okt octobre octubre ottobre ott",
    11: "november nov novembre noviembre",
    12: "december dec dezember dez décembre déc diciembre dic dicembre",
}


def fold(text: str) -> str:
    """Lower case without accents: `Münchner Straße` becomes `munchner strasse`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


_MONTH_NUMBERS = {fold(name): number for number, names in _MONTHS.items() for name in names.split()}


def parse_decimal(text: str, mark: DecimalMark = "auto") -> Decimal | None:
    """The first number in `text`, exactly. A leading or trailing minus and parentheses make it negative.

    With `auto` the later of comma and point is the decimal mark when both occur; a mark that occurs twice,
    or that is followed by exactly three digits and not preceded by a lone zero, groups thousands.
    """
    found = _NUMBER.search(text)
    if not found:
        return None
    raw = _GROUPING.sub("", found.group())
    negative = raw.startswith(("-", "(")) or raw.endswith("-")
    digits = raw.strip("-+().,")
    comma, point = _marks(digits, mark)
    plain = digits.replace(comma, "").replace(point, ".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return -value if negative else value


def _marks(digits: str, mark: DecimalMark) -> tuple[str, str]:
    """The character that groups thousands and the one that separates decimals."""
    if mark == "comma":
        return ".", ","
    if mark == "point":
        return ",", "."
    if "," in digits and "." in digits:
        return (".", ",") if digits.rfind(",") > digits.rfind(".") else (",", ".")
    only = "," if "," in digits else "."
    other = "." if only == "," else ","
    return (only, other) if _groups_thousands(digits, only) else (other, only)


def _groups_thousands(digits: str, mark: str) -> bool:
    head, *rest = digits.split(mark)
    return len(rest) > 1 or (len(rest) == 1 and len(rest[0]) == 3 and head != "0")


def parse_number(text: str, mark: DecimalMark = "auto") -> float | None:
    """`parse_decimal` as a double."""
    value = parse_decimal(text, mark)
    return None if value is None else float(value)


def parse_cents(text: str, mark: DecimalMark = "auto") -> int | None:
    """An amount in hundredths, as an integer, which sums without rounding errors."""
    value = parse_decimal(text, mark)
    return None if value is None else int((value * 100).to_integral_value())


def parse_date(text: str, formats: Sequence[str] = (ISO_DATE,)) -> str | None:
    """`text` read by the first of `formats` that fits, as `YYYY-MM-DD`.

    Formats are those of `strptime`. Names of months (`%B`, `%b`) are known in English, German, French,
    Dutch, Spanish and Italian, whatever the machine's language.
    """
    squeezed = " ".join(text.split())
    for form in formats:
        value, plain = (_month_as_number(squeezed), _NAMED_MONTH.sub("%m", form))
        try:
            return datetime.strptime(value if plain != form else squeezed, plain).date().isoformat()
        except ValueError:
            continue
    return None


_NAMED_MONTH = re.compile(r"%[Bb]\.?")


def _month_as_number(text: str) -> str:
    for word in _WORD.finditer(text):
        number = _MONTH_NUMBERS.get(fold(word.group()))
        if number:
            return f"{text[: word.start()]}{number:02d}{text[word.end() :].removeprefix('.')}"
    return text


def days_between(first: str, second: str) -> int | None:
    """Days from `first` to `second`, both beginning with `YYYY-MM-DD`; negative when `second` is earlier."""
    try:
        return (date.fromisoformat(second[:10]) - date.fromisoformat(first[:10])).days
    except ValueError:
        return None


def add_days(start: str, days: int) -> str | None:
    """`start` and so many days, as `YYYY-MM-DD`."""
    try:
        return (date.fromisoformat(start[:10]) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return None
