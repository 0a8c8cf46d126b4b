"""The ledger as an MCP tool server over stdio.

    python servers/ledger.py --ledger .quarterdeck/ledger.db --data data

Both can be set by environment instead: LEDGER_PATH, LEDGER_DATA. For crash tests only, the server can stop
between the commit of a booking and its answer: see ``servers/crash_points.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from servers import bookings, invoice_book, statements
from servers.crash_points import after_commit
from servers.database import Ledger
from servers.folders import inside
from servers.ledger_schemas import (
    BOOKING_ARGUMENTS,
    FIND_ARGUMENTS,
    INVOICE_FIELDS,
    NOTE,
    PATH,
    REVIEW_STATE,
    TRANSACTION,
)
from servers.toolserver import Arguments, Result, Tool, serve

DATA = Path(__file__).resolve().parent.parent / "data"


class LedgerTools:
    """The tools' functions: from arguments as they arrive to calls on the ledger."""

    def __init__(self, ledger: Ledger, data: Path) -> None:
        self._ledger = ledger
        self._data = data

    def import_statement(self, arguments: Arguments) -> Result:
        """Imports the camt.053 file at ``path``."""
        return statements.import_statement(self._ledger.connection, inside(self._data, arguments["path"]))

    def list_unmatched(self, arguments: Arguments) -> Result:
        """Lists what is still to be matched."""
        return statements.list_unmatched(self._ledger.connection, arguments.get("limit", 1000))

    def get_transaction(self, arguments: Arguments) -> Result:
        """One transaction."""
        return statements.get_transaction(self._ledger.connection, arguments["transaction"])

    def mark_review(self, arguments: Arguments) -> Result:
        """Sets the review state."""
        note = arguments.get("note") or ""
        return statements.mark_review(
            self._ledger.connection, arguments["transaction"], arguments["state"], note
        )

    def save_invoice(self, arguments: Arguments) -> Result:
        """Saves one invoice."""
        return invoice_book.save_invoice(self._ledger.connection, arguments)

    def find_invoices(self, arguments: Arguments) -> Result:
        """Finds candidates."""
        return invoice_book.find_invoices(self._ledger.connection, **arguments)

    def book(self, arguments: Arguments) -> Result | Awaitable[Result]:
        """Books; the confidence and the approver become part of the note."""
        parts = [arguments.get("note") or ""]
        if arguments.get("confidence") is not None:
            parts.append(f"confidence {arguments['confidence']:.2f}")
        if arguments.get("approved_by"):
            parts.append(f"approved by {arguments['approved_by']}")
        result = bookings.book(
            self._ledger.connection,
            arguments["transaction"],
            arguments["invoices"],
            arguments["amount"],
            "; ".join(part for part in parts if part),
        )
        return after_commit(result)

    def unbook(self, arguments: Arguments) -> Result:
        """Takes a booking back."""
        return bookings.unbook(self._ledger.connection, arguments["booking"], arguments.get("note") or "")

    def list_bookings(self, arguments: Arguments) -> Result:
        """The bookings of a transaction."""
        return bookings.list_bookings(self._ledger.connection, arguments["transaction"])

    def summary(self, _arguments: Arguments) -> Result:
        """Counts."""
        return bookings.summary(self._ledger.connection)


def ledger_tools(ledger: Ledger, data: Path) -> list[Tool]:
    """The tools over this ledger; statements are read from ``data``."""
    do = LedgerTools(ledger, data)
    one = {"transaction": TRANSACTION}
    return [
        Tool(
            "import_statement",
            "Import a camt.053 bank statement. Importing the same one again adds nothing.",
            do.import_statement,
            {"path": PATH},
            ["path"],
        ),
        Tool(
            "save_invoice",
            "Save what was read from an invoice. The same file saved again is replaced.",
            do.save_invoice,
            INVOICE_FIELDS,
            ["file", "vendor_name", "number", "date", "total", "currency"],
        ),
        Tool(
            "list_unmatched",
            "List the transactions that have no booking and wait for nobody.",
            do.list_unmatched,
            {"limit": {"type": "integer", "minimum": 1}},
            read_only=True,
        ),
        Tool(
            "get_transaction",
            "Get one transaction and its state.",
            do.get_transaction,
            one,
            ["transaction"],
            True,
        ),
        Tool(
            "find_invoices",
            "Find invoices that may be what a transaction pays, the likeliest first, with what "
            "other transactions claim them; or find invoices by number, vendor or amount.",
            do.find_invoices,
            FIND_ARGUMENTS,
            read_only=True,
        ),
        Tool(
            "book",
            "Book a transaction on one or more invoices. Every call books, also a repeated one.",
            do.book,
            BOOKING_ARGUMENTS,
            ["transaction", "invoices", "amount"],
        ),
        Tool(
            "unbook",
            "Take a booking back. Doing it again changes nothing.",
            do.unbook,
            {"booking": {"type": "integer"}, "note": NOTE},
            ["booking"],
        ),
        Tool(
            "list_bookings",
            "List the bookings of a transaction that stand.",
            do.list_bookings,
            one,
            ["transaction"],
            True,
        ),
        Tool(
            "mark_review",
            "Mark a transaction: it waits for a person, a person rejected the match, or none of both.",
            do.mark_review,
            {**one, "state": REVIEW_STATE, "note": NOTE},
            ["transaction", "state"],
        ),
        Tool("summary", "Count transactions by state, and paid invoices.", do.summary, read_only=True),
    ]


def main() -> None:
    """Reads arguments and environment and serves."""
    parser = argparse.ArgumentParser(description="The ledger as an MCP server over stdio.")
    parser.add_argument("--ledger", type=Path, default=Path(os.environ.get("LEDGER_PATH", "ledger.db")))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LEDGER_DATA", DATA)))
    options = parser.parse_args()
    serve("ledger", "1.0.0", ledger_tools(Ledger(options.ledger), options.data))


if __name__ == "__main__":
    main()
