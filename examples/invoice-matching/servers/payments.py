"""What a transaction pays, and to whom, compared with an invoice. Amounts are whole cents."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from servers.references import alphanumeric

LEGAL_FORMS = frozenset(
    (
        *("bv", "nv", "sa", "srl", "bvba", "sprl", "gmbh", "kg", "ag", "ug", "ohg", "sas", "sarl"),
        *("ltd", "limited", "inc", "llc", "plc"),
    )
)


class Fields(Protocol):
    """A record whose fields are read by name: a mapping or a database row."""

    def __getitem__(self, name: str, /) -> Any:
        """The field's value."""


def pays(transaction: Fields, currency: str) -> int | None:
    """The cents that reached the other side in this currency; None when that is not known.

    The ordered amount counts where the bank names one; else the booked amount without the bank's charges.
    """
    if transaction["instructed_currency"] == currency:
        return int(transaction["instructed_amount"])
    if transaction["currency"] != currency:
        return None
    return int(transaction["amount"]) - int(transaction["charges"])


@lru_cache(maxsize=4096)
def comparable_name(name: str) -> str:
    """A company's name in small letters without legal form and punctuation."""
    words = "".join(
        char if char.isalnum() or char.isspace() else ("" if char == "." else " ") for char in name.casefold()
    )
    kept = [word for word in words.split() if word not in LEGAL_FORMS]
    return " ".join(kept or words.split())


def name_similarity(first: str, second: str) -> float:
    """How alike two names are, 0 to 100. A name cut short by the bank counts as the part it shows."""
    from rapidfuzz import fuzz

    left, right = sorted((comparable_name(first), comparable_name(second)), key=len)
    if not left or not right:
        return 0.0
    whole = fuzz.ratio(left, right)
    cut = fuzz.ratio(left, right[: len(left)]) if len(left) >= CUT_NAME else 0.0
    return max(whole, cut)


CUT_NAME = 12
"""A shorter name is too little to be taken for the beginning of a longer one."""


def names_alike(transaction: Fields, vendor: str, iban: str | None) -> float:
    """How well the other side's name fits a vendor, 0 to 100; the same account number is 100.

    A card payment has no counterparty: then the vendor's name is looked for in the bank's text.
    """
    if (
        iban
        and transaction["counterparty_iban"]
        and alphanumeric(iban) == alphanumeric(transaction["counterparty_iban"])
    ):
        return 100.0
    if transaction["counterparty"]:
        return name_similarity(transaction["counterparty"], vendor)
    return _similarity_in_text(transaction["remittance"], vendor)


def _similarity_in_text(text: str, vendor: str) -> float:
    """The best fit of the vendor's name, or its first letters, with the end of the text."""
    words = comparable_name(text).split()
    return max((name_similarity(" ".join(words[start:]), vendor) for start in range(len(words))), default=0.0)
