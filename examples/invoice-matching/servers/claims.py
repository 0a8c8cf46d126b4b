"""Which other transactions claim an invoice, and what is booked on it already."""

from __future__ import annotations

import sqlite3
from typing import Any

from servers.database import from_cents
from servers.payments import names_alike, pays
from servers.references import names_number, same_reference

NAME_ALIKE = 75.0
"""From this similarity on (0 to 100) a payment of the same amount claims a vendor's invoice."""


def names_invoice(transaction: sqlite3.Row, invoice: sqlite3.Row) -> bool:
    """Whether the payer wrote this invoice's number or payment reference."""
    reference = invoice["payment_reference"] or ""
    structured = transaction["structured_reference"] or ""
    text = transaction["remittance"]
    if structured and reference and same_reference(structured, reference):
        return True
    return names_number(f"{text} {structured}", invoice["number"]) or bool(
        reference and names_number(text, reference)
    )


def other_transactions(connection: sqlite3.Connection, transaction: sqlite3.Row) -> list[sqlite3.Row]:
    """Every other transaction of the same direction that was not set off by a reversal."""
    return connection.execute(
        "select * from transactions where id <> ? and direction = ? and reversed_with is null"
        " order by booked_on, id",
        (transaction["id"], transaction["direction"]),
    ).fetchall()


def claims_on(
    invoice: sqlite3.Row,
    transaction: sqlite3.Row,
    others: list[sqlite3.Row],
    candidates: list[sqlite3.Row],
) -> list[dict[str, Any]]:
    """The others that name the invoice, or pay its amount to its vendor and name none of the candidates.

    ``earlier`` is in statement order. The answer depends on the statement alone, not on what was matched
    first.
    """
    here = (transaction["booked_on"], transaction["id"])
    found = []
    for other in others:
        named = names_invoice(other, invoice)
        paid = pays(other, invoice["currency"])
        if named or (paid == invoice["total"] and _may_pay(other, invoice, candidates)):
            earlier = (other["booked_on"], other["id"]) < here
            found.append(
                {"transaction": other["id"], "amount": from_cents(paid), "named": named, "earlier": earlier}
            )
    return found


def _may_pay(transaction: sqlite3.Row, invoice: sqlite3.Row, candidates: list[sqlite3.Row]) -> bool:
    """Whether it goes to the vendor and its text leaves open which invoice it pays."""
    to_vendor = names_alike(transaction, invoice["vendor_name"], invoice["iban"]) >= NAME_ALIKE
    return to_vendor and not any(names_invoice(transaction, c) for c in candidates)


def booked_amounts(connection: sqlite3.Connection, transaction: sqlite3.Row) -> dict[int, int]:
    """Cents booked on each invoice by other transactions."""
    rows = connection.execute(
        "select l.invoice_id, sum(l.amount) as cents from booking_lines l"
        " join bookings b on b.id = l.booking_id where b.unbooked_at is null and b.transaction_id <> ?"
        " group by l.invoice_id",
        (transaction["id"],),
    )
    return {row["invoice_id"]: row["cents"] for row in rows}
