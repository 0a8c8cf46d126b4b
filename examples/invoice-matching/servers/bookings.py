"""The bookings: book, un-book, list. Booking twice books twice; nothing here is idempotent but un-booking."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from servers.database import from_cents, to_cents
from servers.statements import transaction_row
from servers.toolserver import Result, ToolError


def book(
    connection: sqlite3.Connection, transaction: int, invoices: Sequence[int], amount: float, note: str = ""
) -> Result:
    """Books a transaction on invoices. The amount fills them in the given order; the last takes the rest."""
    transaction_row(connection, transaction)
    connection.execute("begin immediate")
    try:
        parts = _parts(connection, invoices, to_cents(amount))
        booking = connection.execute(
            "insert into bookings (transaction_id, amount, note) values (?, ?, ?) returning id",
            (transaction, to_cents(amount), note),
        ).fetchone()["id"]
        connection.executemany(
            "insert into booking_lines values (?, ?, ?)", [(booking, *part) for part in parts]
        )
        connection.execute("update transactions set review = null where id = ?", (transaction,))
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return {"booking": booking, "transaction": transaction, "invoices": list(invoices), "amount": amount}


def _parts(connection: sqlite3.Connection, invoices: Sequence[int], cents: int) -> list[tuple[int, int]]:
    if not invoices or len(set(invoices)) != len(invoices):
        raise ToolError("book: 'invoices' must name at least one invoice, each once")
    parts = []
    for position, invoice in enumerate(invoices):
        row = connection.execute("select total from invoices where id = ?", (invoice,)).fetchone()
        if row is None:
            raise ToolError(f"book: there is no invoice {invoice}")
        part = cents if position == len(invoices) - 1 else min(cents, row["total"])
        parts.append((invoice, part))
        cents -= part
    return parts


def unbook(connection: sqlite3.Connection, booking: int, note: str = "") -> Result:
    """Takes a booking back; its row stays as a trace. Doing it again changes nothing."""
    changed = connection.execute(
        "update bookings set unbooked_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),"
        " note = trim(note || ' ' || ?) where id = ? and unbooked_at is null",
        (note, booking),
    ).rowcount
    if not changed and not connection.execute("select 1 from bookings where id = ?", (booking,)).fetchone():
        raise ToolError(f"unbook: there is no booking {booking}")
    return {"booking": booking, "unbooked": True}


def list_bookings(connection: sqlite3.Connection, transaction: int) -> Result:
    """The transaction's bookings that stand, oldest first."""
    transaction_row(connection, transaction)
    rows = connection.execute(
        "select id, amount, note from bookings where transaction_id = ? and unbooked_at is null order by id",
        (transaction,),
    ).fetchall()
    return {
        "bookings": [
            {
                "booking": row["id"],
                "transaction": transaction,
                "invoices": _invoices_of(connection, row["id"]),
                "amount": from_cents(row["amount"]),
                "note": row["note"],
            }
            for row in rows
        ]
    }


def _invoices_of(connection: sqlite3.Connection, booking: int) -> list[int]:
    rows = connection.execute(
        "select invoice_id from booking_lines where booking_id = ? order by rowid", (booking,)
    )
    return [row["invoice_id"] for row in rows]


def summary(connection: sqlite3.Connection) -> Result:
    """How many transactions are in which state, and how many invoices are paid."""
    row = connection.execute(
        "with booked as (select distinct transaction_id as id from bookings where unbooked_at is null)"
        " select count(*) as transactions, count(b.id) as matched,"
        " sum(b.id is null and review = 'waiting') as waiting,"
        " sum(b.id is null and review = 'rejected') as rejected,"
        " sum(reversed_with is not null) as reversed,"
        " sum(b.id is null and review is null and reversed_with is null) as unmatched"
        " from transactions t left join booked b on b.id = t.id"
    ).fetchone()
    invoices = connection.execute(
        "select count(*) as invoices, sum(exists (select 1 from booking_lines l"
        " join bookings b on b.id = l.booking_id where l.invoice_id = i.id"
        " and b.unbooked_at is null)) as paid from invoices i"
    ).fetchone()
    return {key: value or 0 for key, value in (*dict(row).items(), *dict(invoices).items())}
