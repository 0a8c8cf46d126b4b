"""Reads bank statements in camt.053 (ISO 20022), any version: one record for each transaction.

A batch booking gives one record for each of its transactions; an entry without details gives one. Only
booked entries count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree as ET

MAX_BYTES = 20_000_000


class BadStatement(Exception):
    """The file is no camt.053 statement; the message says where it goes wrong."""


@dataclass(frozen=True)
class Transaction:
    """One transaction of the statement; amounts are whole cents, dates ISO 8601."""

    statement: str
    entry_ref: str
    booked_on: str
    direction: str
    amount: int
    currency: str
    instructed_amount: int | None
    instructed_currency: str | None
    charges: int
    counterparty: str
    counterparty_iban: str | None
    end_to_end_id: str | None
    remittance: str
    structured_reference: str | None
    batch: bool
    reversal: bool


def parse_statement(content: bytes) -> list[Transaction]:
    """All booked transactions in the statement's order; raises BadStatement."""
    root = _parse_xml(content)
    if root.tag != "Document" or root.find("BkToCstmrStmt") is None:
        raise BadStatement("the file is XML but no camt.053 statement (no Document/BkToCstmrStmt)")
    return [
        transaction
        for statement in root.iterfind("BkToCstmrStmt/Stmt")
        for position, entry in enumerate(statement.iterfind("Ntry"), 1)
        if _text(entry, "Sts/Cd") in {"BOOK", ""} and _text(entry, "Sts") in {"BOOK", ""}
        for transaction in _transactions(_text(statement, "Id"), entry, position)
    ]


def _parse_xml(content: bytes) -> ET.Element:
    if len(content) > MAX_BYTES:
        raise BadStatement(f"the statement has {len(content)} bytes; at most {MAX_BYTES} are read")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise BadStatement("the statement declares a document type, which camt.053 never does")
    try:
        root = ET.fromstring(content)
    except ET.ParseError as problem:
        raise BadStatement(f"the statement is not well-formed XML: {problem}") from problem
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _transactions(statement: str, entry: ET.Element, position: int) -> Iterator[Transaction]:
    reference = _text(entry, "NtryRef") or _text(entry, "AcctSvcrRef") or f"entry-{position}"
    details = entry.findall("NtryDtls/TxDtls")
    for number, detail in enumerate(details or [entry], 1):
        try:
            yield _transaction(statement, f"{reference}/{number}", entry, detail, batch=len(details) > 1)
        except (InvalidOperation, BadStatement) as problem:
            raise BadStatement(f"entry {reference}, transaction {number}: {problem}") from problem


def _transaction(
    statement: str, entry_ref: str, entry: ET.Element, detail: ET.Element, batch: bool
) -> Transaction:
    amount, currency = _money(detail, "Amt") or _money(entry, "Amt") or (0, "")
    instructed = _money(detail, "AmtDtls/InstdAmt/Amt")
    credit = (_text(detail, "CdtDbtInd") or _text(entry, "CdtDbtInd")) == "CRDT"
    charges = _money(detail, "Chrgs/TtlChrgsAndTaxAmt")
    if not currency:
        raise BadStatement("it has no amount")
    return Transaction(
        statement=statement,
        entry_ref=entry_ref,
        booked_on=_date(entry),
        direction="credit" if credit else "debit",
        amount=amount,
        currency=currency,
        instructed_amount=instructed[0] if instructed else None,
        instructed_currency=instructed[1] if instructed else None,
        charges=charges[0] if charges else 0,
        counterparty=_party(detail, "Dbtr" if credit else "Cdtr"),
        counterparty_iban=_text(detail, f"RltdPties/{'Dbtr' if credit else 'Cdtr'}Acct/Id/IBAN") or None,
        end_to_end_id=_end_to_end(detail),
        remittance=_remittance(entry, detail),
        structured_reference=_text(detail, "RmtInf/Strd/CdtrRefInf/Ref") or None,
        batch=batch,
        reversal=_text(entry, "RvslInd") == "true",
    )


def _text(element: ET.Element, path: str) -> str:
    found = element.find(path)
    return (found.text or "").strip() if found is not None else ""


def _money(element: ET.Element, path: str) -> tuple[int, str] | None:
    found = element.find(path)
    if found is None or not (found.text or "").strip():
        return None
    return int((Decimal((found.text or "").strip()) * 100).to_integral_value()), found.get("Ccy", "")


def _date(entry: ET.Element) -> str:
    day = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm") or _text(entry, "ValDt/Dt")
    if len(day) < len("2025-01-01"):
        raise BadStatement("it has no booking date")
    return day[:10]


def _party(detail: ET.Element, side: str) -> str:
    for path in (f"RltdPties/{side}/Pty/Nm", f"RltdPties/{side}/Nm", f"RltdPties/Ultmt{side}/Pty/Nm"):
        if name := _text(detail, path):
            return name
    return ""


def _end_to_end(detail: ET.Element) -> str | None:
    reference = _text(detail, "Refs/EndToEndId")
    return None if reference in {"", "NOTPROVIDED"} else reference


def _remittance(entry: ET.Element, detail: ET.Element) -> str:
    lines = [(line.text or "").strip() for line in detail.iterfind("RmtInf/Ustrd")]
    lines += [_text(detail, "AddtlTxInf"), _text(entry, "AddtlNtryInf")]
    return " ".join(line for line in lines if line)
