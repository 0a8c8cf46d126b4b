"""Writes the month's payments as one camt.053.001.08 statement (ISO 20022, bank to customer)."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from xml.etree import ElementTree as ET

from generate import model
from generate.entry_details import add_charges, add_details, money
from generate.model import Month, Payment

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
OPENING = 6_500_000


def statement_xml(month: Month) -> bytes:
    """The whole document. Also sets ``entry_ref`` on every payment: entry reference, slash, position."""
    root = ET.Element("Document", xmlns=NAMESPACE)
    body = ET.SubElement(root, "BkToCstmrStmt")
    last = month.payments[-1].day
    _group_header(body, last.isoformat(), month)
    statement = ET.SubElement(body, "Stmt")
    _text(statement, "Id", f"STMT-{month.first:%Y%m}-{month.seed}")
    _text(statement, "ElctrncSeqNb", f"{month.first.month}")
    _text(statement, "CreDtTm", f"{last.isoformat()}T23:59:00+01:00")
    _account(statement)
    _balance(statement, "OPBD", OPENING, (month.first - timedelta(days=1)).isoformat())
    _balance(statement, "CLBD", OPENING + sum(_signed(p) for p in month.payments), last.isoformat())
    for position, (_, group) in enumerate(groupby(month.payments, key=_entry_key), 1):
        _entry(statement, f"{month.first:%y%m}{position:04d}", list(group))
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _entry_key(payment: Payment) -> object:
    return payment.batch or id(payment)


def _signed(payment: Payment) -> int:
    return payment.amount if payment.credit else -payment.amount


def _text(parent: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _group_header(body: ET.Element, last: str, month: Month) -> None:
    header = ET.SubElement(body, "GrpHdr")
    _text(header, "MsgId", f"QDXB-{month.first:%Y%m}-{month.seed}")
    _text(header, "CreDtTm", f"{last}T23:59:00+01:00")


def _account(statement: ET.Element) -> None:
    account = ET.SubElement(statement, "Acct")
    _text(ET.SubElement(account, "Id"), "IBAN", model.SHOP_IBAN)
    _text(account, "Ccy", "EUR")
    _text(ET.SubElement(account, "Ownr"), "Nm", model.SHOP_NAME)


def _balance(statement: ET.Element, code: str, cents: int, day: str) -> None:
    balance = ET.SubElement(statement, "Bal")
    _text(ET.SubElement(ET.SubElement(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    money(balance, "Amt", abs(cents), "EUR")
    _text(balance, "CdtDbtInd", "CRDT" if cents >= 0 else "DBIT")
    _text(ET.SubElement(balance, "Dt"), "Dt", day)


def _entry(statement: ET.Element, reference: str, payments: list[Payment]) -> None:
    first = payments[0]
    entry = ET.SubElement(statement, "Ntry")
    _text(entry, "NtryRef", reference)
    money(entry, "Amt", sum(p.amount for p in payments), "EUR")
    _text(entry, "CdtDbtInd", "CRDT" if first.credit else "DBIT")
    if first.reversal_of:
        _text(entry, "RvslInd", "true")
    _text(ET.SubElement(entry, "Sts"), "Cd", "BOOK")
    for tag in ("BookgDt", "ValDt"):
        _text(ET.SubElement(entry, tag), "Dt", first.day.isoformat())
    _text(entry, "AcctSvcrRef", f"QDXB{reference}")
    _bank_code(entry, first)
    if first.charge:
        add_charges(entry, first)
    details = ET.SubElement(entry, "NtryDtls")
    if first.batch:
        _batch(details, first.batch, payments)
    for position, payment in enumerate(payments, 1):
        payment.entry_ref = f"{reference}/{position}"
        add_details(details, payment, f"QDXB{reference}{position:02d}")


def _bank_code(entry: ET.Element, payment: Payment) -> None:
    family, sub = (
        ("CCRD", "POSD") if payment.card else ("RCDT", "ESCT") if payment.credit else ("ICDT", "ESCT")
    )
    domain = ET.SubElement(ET.SubElement(entry, "BkTxCd"), "Domn")
    _text(domain, "Cd", "PMNT")
    fmly = ET.SubElement(domain, "Fmly")
    _text(fmly, "Cd", family)
    _text(fmly, "SubFmlyCd", sub)


def _batch(details: ET.Element, name: str, payments: list[Payment]) -> None:
    batch = ET.SubElement(details, "Btch")
    _text(batch, "PmtInfId", name)
    _text(batch, "NbOfTxs", str(len(payments)))
    money(batch, "TtlAmt", sum(p.amount for p in payments), "EUR")
    _text(batch, "CdtDbtInd", "DBIT")
