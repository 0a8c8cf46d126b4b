from __future__ import annotations

from pathlib import Path

import pytest
from score import compare, render, score
from servers.bookings import book
from servers.database import Ledger
from servers.invoice_book import save_invoice
from servers.statements import import_statement, mark_review

KEY = {
    "copies": {"copy.pdf": "a.pdf"},
    "transactions": {
        "1/1": {"kind": "batch", "invoices": ["a.pdf"], "oneRight": True},
        "2/1": {"kind": "batch", "invoices": ["b.pdf"], "oneRight": True},
        "3/1": {"kind": "several-invoices", "invoices": ["b.pdf", "c.pdf"], "oneRight": False},
        "4/1": {"kind": "no-invoice", "invoices": [], "oneRight": False},
    },
}


def test_a_copy_counts_as_its_original_and_several_must_all_be_right() -> None:
    result = compare(KEY, {"1/1": ["copy.pdf"], "3/1": ["c.pdf", "b.pdf"]}, set())
    assert (result.precision, result.recall) == (1.0, 0.5)
    assert compare(KEY, {"3/1": ["b.pdf"]}, set()).precision == 0.0


def test_a_booking_without_a_right_invoice_and_a_double_booking_are_wrong() -> None:
    result = compare(KEY, {"4/1": ["a.pdf"], "1/1": ["a.pdf", "a.pdf"], "2/1": ["b.pdf"]}, {"3/1"})
    assert result.precision == pytest.approx(1 / 3)
    assert [entry for entry, _, _ in result.wrong] == ["1/1", "4/1"]
    assert result.kinds["several-invoices"].waiting == 1
    assert "1/1 was booked on" in render(result)


def test_a_ledger_is_scored_without_what_a_person_approved(tmp_path: Path, committed: Path) -> None:
    connection = Ledger(tmp_path / "l.db").connection
    import_statement(connection, committed / "statement.xml")
    for file in ("invoice-001.pdf", "invoice-002.pdf"):
        save_invoice(
            connection,
            {
                "file": f"2025-01/invoices/{file}",
                "vendor_name": "v",
                "number": file,
                "date": "2025-01-01",
                "total": 1.0,
                "currency": "EUR",
            },
        )
    book(connection, 1, [1], 1.0, "approved by ann")
    book(connection, 2, [2], 1.0, "confidence 0.99")
    mark_review(connection, 3, "waiting", "")
    result = score(tmp_path / "l.db", committed / "answer-key.json")
    assert (result.total("automatic"), result.total("waiting")) == (1, 1)
