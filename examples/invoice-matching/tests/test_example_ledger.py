from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from servers.database import Ledger
from servers.ledger import ledger_tools
from servers.toolserver import Tool, ToolError, call_tool

Tools = dict[str, Tool]
INVOICE = {
    "file": "a.pdf",
    "vendor_name": "Visserie Lormont SAS",
    "number": "77/2025",
    "date": "2025-01-02",
    "total": 121.0,
    "currency": "EUR",
}


async def call(tools: Tools, name: str, **arguments: Any) -> Any:
    return await call_tool(tools, name, arguments)


async def with_month(tools: Tools) -> list[dict[str, Any]]:
    await call(tools, "import_statement", path="statement.xml")
    return list((await call(tools, "list_unmatched"))["transactions"])


async def test_importing_twice_adds_nothing(ledger: Tools) -> None:
    first = await call(ledger, "import_statement", path="statement.xml")
    again = await call(ledger, "import_statement", path="statement.xml")
    assert first["imported"] == first["transactions"] > 200
    assert again == {**first, "imported": 0}


async def test_a_payment_and_its_reversal_are_set_off(ledger: Tools) -> None:
    unmatched = await with_month(ledger)
    summary = await call(ledger, "summary")
    assert summary["reversed"] == 6
    assert len(unmatched) == summary["unmatched"] == summary["transactions"] - 6
    states = [(await call(ledger, "get_transaction", transaction=n))["state"] for n in range(1, 216)]
    assert states.count("reversed") == 6


async def test_booking_twice_books_twice_and_unbooking_takes_one_back(ledger: Tools) -> None:
    transaction = (await with_month(ledger))[0]["id"]
    invoice = (await call(ledger, "save_invoice", **INVOICE))["invoice_id"]
    order = {"transaction": transaction, "invoices": [invoice], "amount": 121.0}
    first = await call(ledger, "book", **order, note="why", confidence=0.99)
    second = await call(ledger, "book", **order, approved_by="ann")
    listed = (await call(ledger, "list_bookings", transaction=transaction))["bookings"]
    assert [b["booking"] for b in listed] == [first["booking"], second["booking"]]
    assert [b["note"] for b in listed] == ["why; confidence 0.99", "approved by ann"]
    assert {key: listed[0][key] for key in order} == order
    for _ in range(2):
        await call(ledger, "unbook", booking=second["booking"], note="undone")
    assert len((await call(ledger, "list_bookings", transaction=transaction))["bookings"]) == 1
    assert (await call(ledger, "get_transaction", transaction=transaction))["state"] == "matched"
    assert (await call(ledger, "summary"))["paid"] == 1


async def test_a_booking_fills_its_invoices_in_order(ledger: Tools, tmp_path: Path) -> None:
    transaction = (await with_month(ledger))[0]["id"]
    ids = [
        (await call(ledger, "save_invoice", **{**INVOICE, "file": f, "total": t}))["invoice_id"]
        for f, t in (("a.pdf", 100.0), ("b.pdf", 50.0))
    ]
    await call(ledger, "book", transaction=transaction, invoices=ids, amount=140.0)
    lines = Ledger(tmp_path / "ledger.db").connection.execute(
        "select amount from booking_lines order by invoice_id"
    )
    assert [row["amount"] for row in lines] == [10000, 4000]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("book", {"transaction": 1, "invoices": [999], "amount": 1}, "no invoice 999"),
        ("book", {"transaction": 1, "invoices": [], "amount": 1}, "at least one"),
        ("book", {"transaction": 9999, "invoices": [1], "amount": 1}, "no transaction 9999"),
        ("book", {"transaction": 1, "amount": 1}, "'invoices' is missing"),
        ("unbook", {"booking": 4}, "no booking 4"),
        ("summary", {"month": 1}, "no argument 'month'"),
        ("import_statement", {"path": "../x.xml"}, "outside"),
        ("import_statement", {"path": "nowhere.xml"}, "does not exist"),
        ("import_statement", {"path": "answer-key.json"}, "not well-formed"),
        ("nothing", {}, "no tool 'nothing'"),
        ("get_transaction", {"transaction": "1"}, "must be integer, not str"),
        ("get_transaction", {"transaction": True}, "must be integer, not bool"),
        ("book", {"transaction": 1, "invoices": ["1"], "amount": 1}, "an item of .* must be integer"),
        ("mark_review", {"transaction": 1, "state": "later"}, "one of waiting, rejected, none"),
    ],
)
async def test_refusals_say_what_is_wrong_and_change_nothing(
    ledger: Tools, name: str, arguments: dict[str, Any], message: str
) -> None:
    await with_month(ledger)
    before = await call(ledger, "summary")
    with pytest.raises(ToolError, match=message):
        await call(ledger, name, **arguments)
    assert await call(ledger, "summary") == before


async def test_what_waits_for_a_person_is_not_unmatched(ledger: Tools) -> None:
    transactions = await with_month(ledger)
    one = transactions[0]["id"]
    for state, expected in (("waiting", "waiting"), ("rejected", "rejected"), ("none", "unmatched")):
        await call(ledger, "mark_review", transaction=one, state=state, note="why")
        assert (await call(ledger, "get_transaction", transaction=one))["state"] == expected
        listed = {t["id"] for t in (await call(ledger, "list_unmatched"))["transactions"]}
        assert (one in listed) == (state == "none")


async def test_saving_a_file_again_keeps_its_id(ledger: Tools) -> None:
    first = await call(ledger, "save_invoice", **INVOICE)
    again = await call(ledger, "save_invoice", **{**INVOICE, "total": 99.5})
    assert again == first
    assert (await call(ledger, "find_invoices", number="77"))["candidates"][0]["total"] == 99.5


async def test_copies_are_one_candidate_whatever_was_saved_first(ledger: Tools) -> None:
    for file in ("z.pdf", "b.pdf", "k.pdf"):
        await call(ledger, "save_invoice", **{**INVOICE, "file": file})
    found = (await call(ledger, "find_invoices", vendor="lormont", amount=121.0))["candidates"]
    assert [candidate["file"] for candidate in found] == ["b.pdf"]


async def test_a_file_that_is_no_ledger_is_a_tool_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 100)
    tools = {tool.name: tool for tool in ledger_tools(Ledger(tmp_path / "ledger.db"), tmp_path)}
    with pytest.raises(ToolError, match="summary: the database failed"):
        await call(tools, "summary")


async def test_a_ledger_that_was_moved_away_is_made_anew(tmp_path: Path, committed: Path) -> None:
    path = tmp_path / "ledger.db"
    tools = {tool.name: tool for tool in ledger_tools(Ledger(path), committed)}
    await with_month(tools)
    path.rename(tmp_path / "kept.db")
    assert (await call(tools, "summary"))["transactions"] == 0
