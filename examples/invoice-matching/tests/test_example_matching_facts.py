from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from servers.database import Ledger
from servers.ledger import ledger_tools
from servers.payments import name_similarity, names_alike, pays
from servers.references import names_number, same_reference, unexplained_numbers
from servers.scoring import score_candidates
from servers.toolserver import ToolError, call_tool

TRANSACTION: dict[str, Any] = {
    "id": 1,
    "entry_ref": "1/1",
    "date": "2025-01-20",
    "direction": "debit",
    "amount": 121.0,
    "currency": "EUR",
    "counterparty": "Visserie Lormont",
    "remittance": "facture 77/2025",
}
CANDIDATE: dict[str, Any] = {
    "invoice_id": 5,
    "file": "a.pdf",
    "vendor_name": "Visserie Lormont SAS",
    "number": "77/2025",
    "date": "2025-01-02",
    "total": 121.0,
    "currency": "EUR",
    "credit_note": False,
    "claims": [],
}


@pytest.mark.parametrize(
    ("text", "number", "named"),
    [
        ("betaling INV-2025-00113 dank", "INV-2025-00113", True),
        ("inv 2025 00113", "INV-2025-00113", True),
        ("inv202500113", "INV-2025-00113", True),
        ("INV-2025-001134", "INV-2025-00113", False),
        ("1INV-2025-00113", "INV-2025-00113", False),
        ("2025-00113", "INV-2025-00113", False),
        ("366 2025", "366/2025", True),
        ("12", "12", False),
    ],
)
def test_a_number_is_named_as_a_whole(text: str, number: str, named: bool) -> None:
    assert names_number(text, number) is named


def test_structured_references_ignore_separators() -> None:
    assert same_reference("123456789012", "+++123/4567/89012+++")
    assert not same_reference("123456789013", "+++123/4567/89012+++")
    assert not same_reference("", "")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("factuur 2025-0113", ["2025-0113"]),
        ("factuur 2025-0113 en 77/2025", ["2025-0113"]),
        ("klantnummer 40213", []),
        ("CARD 12/01 13:45 SHOP", []),
        ("deel 1/2, 77/2025", []),
        ("op 13/01/2025", []),
        ("loon januari", []),
    ],
)
def test_numbers_that_belong_to_no_candidate_stand_out(text: str, left: list[str]) -> None:
    assert unexplained_numbers(text, ["77/2025"]) == left


def test_names_are_compared_without_legal_form_and_when_cut_short() -> None:
    assert name_similarity("LICHTWERK TANNHÖFER", "Lichtwerk Tannhöfer GmbH") == 100
    assert name_similarity("Boekhoudkantoor Ostyn &", "Boekhoudkantoor Ostyn & Zoon BV") == 100
    assert name_similarity("Lichtwrek Tannhöfer GmbH", "Lichtwerk Tannhöfer GmbH") > 80
    assert name_similarity("Garage Kasteelhof", "Lichtwerk Tannhöfer GmbH") < 50
    assert name_similarity("", "Lichtwerk") == 0


def test_the_account_number_proves_the_vendor_and_a_card_payment_shows_its_name_in_the_text() -> None:
    record = {"counterparty": "someone", "counterparty_iban": "BE92066977745723", "remittance": ""}
    assert names_alike(record, "Other NV", "BE92 0669 7774 5723") == 100
    card = {"counterparty": "", "counterparty_iban": None, "remittance": "CARD 12/01 13:45 VISSERIE LORMONT"}
    assert names_alike(card, "Visserie Lormont SAS", None) == 100


def test_what_was_ordered_counts_else_what_was_booked_without_charges() -> None:
    record: dict[str, Any] = {
        "amount": 10350,
        "charges": 350,
        "currency": "EUR",
        "instructed_amount": 10400,
        "instructed_currency": "USD",
    }
    assert pays(record, "USD") == 10400
    assert pays(record, "EUR") == 10000
    assert pays(record, "GBP") is None


def test_a_perfect_candidate() -> None:
    result = score_candidates(TRANSACTION, [CANDIDATE])
    (scored,) = result["scored"]
    assert scored["reference"] == 1.0
    assert scored["vendor_similarity"] == 100
    assert scored["amount_difference"] == 0
    assert scored["right_direction"] is True
    assert scored["days_since_issue"] == 18
    assert result["unexplained_numbers"] == []


def test_invoices_that_add_up_are_a_combination() -> None:
    others = [
        {**CANDIDATE, "invoice_id": n, "file": f"{n}.pdf", "number": f"{n}00/2025", "total": t}
        for n, t in ((6, 100.0), (7, 21.0), (8, 5.0))
    ]
    result = score_candidates({**TRANSACTION, "remittance": "600/2025 + 700/2025"}, others)
    (group,) = result["combinations"]
    assert (sorted(group["invoices"]), group["named"], group["size"], group["total"]) == ([6, 7], 2, 2, 121.0)


def test_a_foreign_invoice_without_a_known_amount_cannot_be_compared() -> None:
    (scored,) = score_candidates(TRANSACTION, [{**CANDIDATE, "currency": "USD"}])["scored"]
    assert scored["currency_known"] is False
    assert scored["amount_difference"] is None


def test_a_record_that_lacks_a_field_is_refused() -> None:
    with pytest.raises(ToolError, match="number"):
        score_candidates(TRANSACTION, [{key: value for key, value in CANDIDATE.items() if key != "number"}])


def paid_twice(transactions: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first two transactions with the same structured reference and amount."""
    seen: dict[tuple[str, float], dict[str, Any]] = {}
    for transaction in transactions:
        if reference := transaction.get("structured_reference"):
            identity = (reference, transaction["amount"])
            if identity in seen:
                return seen[identity], transaction
            seen[identity] = transaction
    raise AssertionError("nothing was paid twice")


async def test_claims_do_not_depend_on_what_was_booked_first(tmp_path: Path, committed: Path) -> None:
    tools = {tool.name: tool for tool in ledger_tools(Ledger(tmp_path / "l.db"), committed)}
    await call_tool(tools, "import_statement", {"path": "statement.xml"})
    first, second = paid_twice((await call_tool(tools, "list_unmatched", {}))["transactions"])
    invoice = {
        "file": "a.pdf",
        "vendor_name": first["counterparty"],
        "number": "X-1234",
        "date": "2024-12-20",
        "total": first["amount"],
        "currency": "EUR",
        "payment_reference": first["structured_reference"],
    }
    saved = await call_tool(tools, "save_invoice", invoice)

    async def claims(identity: int) -> list[dict[str, Any]]:
        found = await call_tool(tools, "find_invoices", {"transaction": identity})
        return list(found["candidates"][0]["claims"])

    before = [await claims(first["id"]), await claims(second["id"])]
    await call_tool(
        tools, "book", {"transaction": second["id"], "invoices": [saved["invoice_id"]], "amount": 1.0}
    )
    assert [await claims(first["id"]), await claims(second["id"])] == before
    assert [(c["transaction"], c["earlier"], c["named"]) for c in before[0]] == [(second["id"], False, True)]
    assert [(c["transaction"], c["earlier"], c["named"]) for c in before[1]] == [(first["id"], True, True)]
