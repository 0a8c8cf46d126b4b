"""Compares a transaction with candidate invoices. It gives features, never a verdict: the agent decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import Any

from servers.payments import names_alike, pays
from servers.references import alphanumeric, names_number, same_reference, unexplained_numbers
from servers.toolserver import Result, ToolError

Record = Mapping[str, Any]
LARGEST_COMBINATION = 4


def score_candidates(transaction: Record, candidates: Sequence[Record]) -> Result:
    """Features of each candidate, the likeliest first, and groups whose totals add up to the amount.

    ``unexplained_numbers`` are numbers in the remittance that look like references of no candidate.
    Raises ToolError when a record lacks what is compared.
    """
    try:
        paid = _in_cents(transaction)
        scored = [_features(paid, candidate) for candidate in candidates]
        _count_equals(scored)
        scored.sort(key=lambda s: (-s["reference"], -s["vendor_similarity"], _distance(s), s["file"]))
        known = [c["number"] for c in candidates] + [c.get("payment_reference") or "" for c in candidates]
        return {
            "scored": scored,
            "combinations": _combinations(scored),
            "unexplained_numbers": unexplained_numbers(transaction.get("remittance", ""), known),
        }
    except (KeyError, TypeError, ValueError) as problem:
        raise ToolError(f"score_candidates: a record lacks or has a wrong field: {problem!r}") from problem


def _in_cents(transaction: Record) -> dict[str, Any]:
    """The transaction the way ``servers.payments`` takes it."""
    instructed = transaction.get("instructed_amount")
    return {
        **transaction,
        "amount": round(transaction["amount"] * 100),
        "charges": round((transaction.get("charges") or 0) * 100),
        "instructed_amount": None if instructed is None else round(instructed * 100),
        "instructed_currency": transaction.get("instructed_currency"),
        "counterparty": transaction.get("counterparty", ""),
        "counterparty_iban": transaction.get("counterparty_iban"),
        "remittance": transaction.get("remittance", ""),
    }


def _features(transaction: Record, candidate: Record) -> dict[str, Any]:
    total = round(candidate["total"] * 100)
    paid = pays(transaction, candidate["currency"])
    claims = candidate.get("claims") or []
    named = [claim for claim in claims if claim["named"]]
    return {
        "invoice_id": candidate["invoice_id"],
        "file": candidate.get("file", ""),
        "vendor_name": candidate["vendor_name"],
        "number": candidate["number"],
        "total": candidate["total"],
        "currency": candidate["currency"],
        "reference": _reference(transaction, candidate),
        "vendor_similarity": round(
            names_alike(transaction, candidate["vendor_name"], candidate.get("iban")), 1
        ),
        "currency_known": paid is not None,
        "paid": None if paid is None else paid / 100,
        "amount_difference": None if paid is None else (paid - total) / 100,
        "right_direction": (transaction["direction"] == "credit") == bool(candidate.get("credit_note")),
        "days_since_issue": _days(candidate["date"], transaction["date"]),
        "booked": candidate.get("booked") or 0,
        "claims": len(claims),
        "paid_before": sum(1 for c in named if c["earlier"] and c["amount"] == candidate["total"]),
        "named_by_others": round(sum(c["amount"] or 0 for c in named), 2),
    }


def _reference(transaction: Record, candidate: Record) -> float:
    """1.0: the payment reference or the whole number is named; 0.5: its digits only; 0.0: neither."""
    text = transaction["remittance"]
    structured = transaction.get("structured_reference") or ""
    wanted = candidate.get("payment_reference") or ""
    if structured and wanted and same_reference(structured, wanted):
        return 1.0
    if names_number(f"{text} {structured}", candidate["number"]) or (wanted and names_number(text, wanted)):
        return 1.0
    digits = "".join(char for char in candidate["number"] if char.isdigit())
    return 0.5 if digits != alphanumeric(candidate["number"]) and names_number(text, digits) else 0.0


def _days(start: str, end: str) -> int:
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def _distance(scored: Record) -> float:
    difference = scored["amount_difference"]
    return abs(difference) if difference is not None else float("inf")


def _count_equals(scored: Sequence[dict[str, Any]]) -> None:
    """How many other candidates of the same vendor ask for the same amount."""
    for one in scored:
        one["equals"] = sum(
            1
            for other in scored
            if other is not one
            and other["total"] == one["total"]
            and other["currency"] == one["currency"]
            and other["vendor_name"] == one["vendor_name"]
        )


def _combinations(scored: Sequence[Record]) -> list[dict[str, Any]]:
    """Groups of two to four invoices of one vendor whose totals are the paid amount."""
    found = []
    for vendor in dict.fromkeys(s["vendor_name"] for s in scored):
        of_vendor = [
            s for s in scored if s["vendor_name"] == vendor and s["currency_known"] and s["right_direction"]
        ]
        for size in range(2, min(LARGEST_COMBINATION, len(of_vendor)) + 1):
            found += [_combination(group) for group in combinations(of_vendor, size) if _adds_up(group)]
    return found


def _adds_up(group: Sequence[Record]) -> bool:
    together: int = sum(round(s["total"] * 100) for s in group)
    paid: int = round(group[0]["paid"] * 100)
    return abs(together - paid) <= 1


def _combination(group: Sequence[Record]) -> dict[str, Any]:
    return {
        "invoices": [s["invoice_id"] for s in group],
        "named": sum(1 for s in group if s["reference"] == 1.0),
        "size": len(group),
        "vendor_similarity": min(s["vendor_similarity"] for s in group),
        "claims": sum(s["claims"] for s in group),
        "total": round(sum(s["total"] for s in group), 2),
    }
