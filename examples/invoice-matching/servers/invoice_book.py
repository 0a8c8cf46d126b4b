"""The invoices table: saving what was extracted, finding candidates for a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from servers import claims
from servers.database import from_cents, to_cents
from servers.payments import names_alike, pays
from servers.references import alphanumeric
from servers.statements import transaction_row
from servers.toolserver import Result

LIMIT = 12
NAME_ALIKE = 75.0
"""From this similarity on (0 to 100) a vendor's invoices are candidates for its name alone."""

_COLUMNS = (
    "file",
    "vendor_name",
    "number",
    "issued_on",
    "due_on",
    "total",
    "currency",
    "payment_reference",
    "iban",
    "credit_note",
)


def save_invoice(connection: sqlite3.Connection, invoice: Mapping[str, Any]) -> Result:
    """Writes one invoice; a second save of the same file replaces the first and keeps its id."""
    values = {
        **{name: invoice.get(name) for name in _COLUMNS},
        "issued_on": invoice["date"],
        "due_on": invoice.get("due_date"),
        "total": to_cents(invoice["total"]),
        "credit_note": int(bool(invoice.get("credit_note"))),
    }
    names, marks = ", ".join(_COLUMNS), ", ".join(f":{name}" for name in _COLUMNS)
    updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    row = connection.execute(
        f"insert into invoices ({names}) values ({marks})"
        f" on conflict (file) do update set {updates} returning id",
        values,
    ).fetchone()
    return {"invoice_id": row["id"], "file": invoice["file"]}


def find_invoices(
    connection: sqlite3.Connection,
    *,
    transaction: int | None = None,
    number: str | None = None,
    vendor: str | None = None,
    amount: float | None = None,
    include: Sequence[int] = (),
    limit: int = LIMIT,
) -> Result:
    """Candidates, the likeliest first: by a transaction, or by number, vendor and amount.

    Copies of one invoice count as one, the first file; ``include`` adds invoices by id. Facts only: which
    one is right is for the caller to decide.
    """
    invoices = _without_copies(connection.execute("select * from invoices order by file").fetchall())
    if transaction is None:
        chosen = [i for i in invoices if _fits(i, number, vendor, amount)]
        return {"candidates": [as_json(i) for i in chosen[:limit]]}
    row = transaction_row(connection, transaction)
    ranked = sorted(
        ((_rank(row, i, include), i) for i in invoices), key=lambda pair: (pair[0], pair[1]["file"])
    )
    chosen = [invoice for rank, invoice in ranked if rank[0] < _NO_CANDIDATE][:limit]
    others = claims.other_transactions(connection, row)
    booked = claims.booked_amounts(connection, row)
    return {
        "candidates": [
            {
                **as_json(invoice),
                "booked": from_cents(booked.get(invoice["id"], 0)),
                "claims": claims.claims_on(invoice, row, others, chosen),
            }
            for invoice in chosen
        ]
    }


_NO_CANDIDATE = 5


def _rank(transaction: sqlite3.Row, invoice: sqlite3.Row, include: Sequence[int]) -> tuple[int, int]:
    """How likely by what is plain to see: named, vendor and amount, one of them; then how near the amount."""
    paid = pays(transaction, invoice["currency"])
    distance = abs(paid - invoice["total"]) if paid is not None else 10**12
    if claims.names_invoice(transaction, invoice):
        return 0, distance
    vendor = names_alike(transaction, invoice["vendor_name"], invoice["iban"]) >= NAME_ALIKE
    if vendor and distance <= 1:
        return 1, distance
    if vendor or distance <= 1:
        return 2 if vendor else 3, distance
    return (4 if invoice["id"] in include else _NO_CANDIDATE), distance


def _fits(invoice: sqlite3.Row, number: str | None, vendor: str | None, amount: float | None) -> bool:
    if number is not None and alphanumeric(number) not in alphanumeric(invoice["number"]):
        return False
    if amount is not None and to_cents(amount) != invoice["total"]:
        return False
    return vendor is None or vendor.casefold() in invoice["vendor_name"].casefold()


def _without_copies(invoices: Iterable[sqlite3.Row]) -> list[sqlite3.Row]:
    """One row for each (vendor, number, total, kind): the first file. Does not depend on saving order."""

    def identity(invoice: sqlite3.Row) -> tuple[Any, ...]:
        vendor, number = alphanumeric(invoice["vendor_name"]), alphanumeric(invoice["number"])
        return vendor, number, invoice["total"], invoice["credit_note"]

    return [next(group) for _, group in groupby(sorted(invoices, key=identity), key=identity)]


def as_json(invoice: sqlite3.Row) -> dict[str, Any]:
    """An invoice the way callers see it: amounts with two decimals, only what is known."""
    known: dict[str, Any] = {
        "invoice_id": invoice["id"],
        "file": invoice["file"],
        "vendor_name": invoice["vendor_name"],
        "number": invoice["number"],
        "date": invoice["issued_on"],
        "due_date": invoice["due_on"],
        "total": from_cents(invoice["total"]),
        "currency": invoice["currency"],
        "payment_reference": invoice["payment_reference"],
        "iban": invoice["iban"],
        "credit_note": bool(invoice["credit_note"]),
    }
    return {name: value for name, value in known.items() if value is not None}
