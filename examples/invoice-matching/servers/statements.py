"""The transactions table: importing a statement, listing what is unmatched, marking for review."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from servers.camt import BadStatement, Transaction, parse_statement
from servers.database import from_cents
from servers.toolserver import Result, ToolError

_BOOKED = "exists (select 1 from bookings b where b.transaction_id = t.id and b.unbooked_at is null)"


def import_statement(connection: sqlite3.Connection, path: Path) -> Result:
    """Adds the statement's transactions that are not there yet; a payment and its reversal are set off.

    All or nothing, and idempotent: an entry reference of a statement is imported once.
    """
    try:
        transactions = parse_statement(path.read_bytes())
    except BadStatement as problem:
        raise ToolError(f"{path.name}: {problem}") from problem
    connection.execute("begin immediate")
    try:
        added = sum(_insert(connection, transaction) for transaction in transactions)
        _set_off_reversals(connection)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return {"transactions": len(transactions), "imported": added}


def _insert(connection: sqlite3.Connection, transaction: Transaction) -> int:
    values = asdict(transaction)
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    statement = f"insert into transactions ({names}) values ({marks}) on conflict do nothing"
    return connection.execute(statement, values).rowcount


def _set_off_reversals(connection: sqlite3.Connection) -> None:
    """Links each reversal with the one earlier payment of its amount and end-to-end id, both ways."""
    reversals = connection.execute(
        "select * from transactions where reversal and reversed_with is null order by id"
    ).fetchall()
    for reversal in reversals:
        originals = connection.execute(
            "select id from transactions where not reversal and reversed_with is null and direction <> ?"
            " and amount = ? and end_to_end_id = ? and booked_on <= ?",
            (reversal["direction"], reversal["amount"], reversal["end_to_end_id"], reversal["booked_on"]),
        ).fetchall()
        if len(originals) == 1:
            pair = (reversal["id"], originals[0]["id"])
            connection.execute("update transactions set reversed_with = ? where id = ?", pair)
            connection.execute("update transactions set reversed_with = ? where id = ?", pair[::-1])


def list_unmatched(connection: sqlite3.Connection, limit: int = 1000) -> Result:
    """Transactions without a booking that are neither set off nor with a reviewer, in statement order."""
    rows = connection.execute(
        f"select t.* from transactions t where reversed_with is null and review is null and not {_BOOKED}"
        " order by booked_on, id limit ?",
        (limit,),
    )
    return {"transactions": [as_json(row) for row in rows]}


def get_transaction(connection: sqlite3.Connection, identity: int) -> Result:
    """One transaction with its state; raises ToolError when there is none."""
    row = transaction_row(connection, identity)
    booked = connection.execute(f"select {_BOOKED} from transactions t where id = ?", (identity,)).fetchone()[
        0
    ]
    state = "reversed" if row["reversed_with"] else "matched" if booked else row["review"] or "unmatched"
    return {"transaction": as_json(row), "state": state, "reviewNote": row["review_note"]}


def transaction_row(connection: sqlite3.Connection, identity: int) -> sqlite3.Row:
    """The row of a transaction; raises ToolError when there is none."""
    row: sqlite3.Row | None = connection.execute(
        "select * from transactions where id = ?", (identity,)
    ).fetchone()
    if row is None:
        raise ToolError(f"there is no transaction {identity}")
    return row


def mark_review(connection: sqlite3.Connection, identity: int, state: str, note: str) -> Result:
    """Sets the review state: ``waiting``, ``rejected``, or ``none`` to put it back among the unmatched."""
    transaction_row(connection, identity)
    value = None if state == "none" else state
    connection.execute(
        "update transactions set review = ?, review_note = ? where id = ?", (value, note, identity)
    )
    return {"transaction": identity, "state": state}


def as_json(row: sqlite3.Row) -> dict[str, Any]:
    """A transaction the way callers see it: amounts with two decimals, only what is known."""
    known: dict[str, Any] = {
        "id": row["id"],
        "entry_ref": row["entry_ref"],
        "date": row["booked_on"],
        "direction": row["direction"],
        "amount": from_cents(row["amount"]),
        "currency": row["currency"],
        "counterparty": row["counterparty"],
        "remittance": row["remittance"],
        "instructed_amount": from_cents(row["instructed_amount"]),
        "instructed_currency": row["instructed_currency"],
        "charges": from_cents(row["charges"]) or None,
        "counterparty_iban": row["counterparty_iban"],
        "structured_reference": row["structured_reference"],
        "reversal": bool(row["reversal"]) or None,
    }
    return {name: value for name, value in known.items() if value is not None}
