from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from generate.statement import NAMESPACE
from servers.camt import BadStatement, parse_statement

# The order in which camt.053.001.08 lists the elements that the statement uses.
ORDER = {
    "Stmt": ["Id", "ElctrncSeqNb", "CreDtTm", "Acct", "Bal", "Ntry"],
    "Bal": ["Tp", "Amt", "CdtDbtInd", "Dt"],
    "Ntry": [
        "NtryRef",
        "Amt",
        "CdtDbtInd",
        "RvslInd",
        "Sts",
        "BookgDt",
        "ValDt",
        "AcctSvcrRef",
        "BkTxCd",
        "Chrgs",
        "NtryDtls",
    ],
    "NtryDtls": ["Btch", "TxDtls"],
    "Btch": ["PmtInfId", "NbOfTxs", "TtlAmt", "CdtDbtInd"],
    "TxDtls": ["Refs", "Amt", "CdtDbtInd", "AmtDtls", "Chrgs", "RltdPties", "RmtInf", "RtrInf", "AddtlTxInf"],
    "Refs": ["AcctSvcrRef", "PmtInfId", "EndToEndId"],
    "AmtDtls": ["InstdAmt", "TxAmt"],
    "CcyXchg": ["SrcCcy", "TrgtCcy", "UnitCcy", "XchgRate"],
    "RltdPties": ["Dbtr", "DbtrAcct", "Cdtr", "CdtrAcct"],
    "Chrgs": ["TtlChrgsAndTaxAmt", "Rcrd"],
    "RmtInf": ["Ustrd", "Strd"],
}


@pytest.fixture(scope="module")
def root(committed: Path) -> ET.Element:
    element = ET.fromstring((committed / "statement.xml").read_bytes())
    assert element.tag == f"{{{NAMESPACE}}}Document"
    for part in element.iter():
        part.tag = part.tag.rpartition("}")[2]
    return element


def signed(element: ET.Element) -> Decimal:
    amount = Decimal(element.findtext("Amt", ""))
    return amount if element.findtext("CdtDbtInd") == "CRDT" else -amount


def test_elements_are_the_schemas_and_in_its_order(root: ET.Element) -> None:
    seen = set()
    for element in root.iter():
        if element.tag in ORDER:
            seen.add(element.tag)
            places = [ORDER[element.tag].index(child.tag) for child in element]
            assert places == sorted(places), f"{element.tag}: {[child.tag for child in element]}"
    assert seen == set(ORDER)


def test_texts_are_within_the_schemas_lengths(root: ET.Element) -> None:
    for tag, length in (("EndToEndId", 35), ("NtryRef", 35), ("Ustrd", 140), ("Nm", 140), ("PmtInfId", 35)):
        texts = [element.text or "" for element in root.iter(tag)]
        assert texts, tag
        assert all(0 < len(text) <= length for text in texts), tag


def test_entries_add_up_to_the_closing_balance(root: ET.Element) -> None:
    opening, closing = (signed(balance) for balance in root.iter("Bal"))
    assert opening + sum(signed(entry) for entry in root.iter("Ntry")) == closing


def test_batches_add_up(root: ET.Element) -> None:
    entries = [entry for entry in root.iter("Ntry") if entry.find("NtryDtls/Btch") is not None]
    assert len(entries) == 4
    for entry in entries:
        details = entry.findall("NtryDtls/TxDtls")
        assert entry.findtext("NtryDtls/Btch/NbOfTxs") == str(len(details))
        assert sum(Decimal(d.findtext("Amt", "")) for d in details) == Decimal(entry.findtext("Amt", ""))


def test_the_parser_gives_one_record_for_each_transaction(root: ET.Element, committed: Path) -> None:
    records = parse_statement((committed / "statement.xml").read_bytes())
    assert len(records) == len(list(root.iter("TxDtls"))) == len({r.entry_ref for r in records})
    assert sum(r.batch for r in records) >= 24
    assert sum(r.reversal for r in records) == 3
    assert {r.instructed_currency for r in records} >= {"USD", "GBP", "EUR", None}
    assert sum(r.charges > 0 for r in records) >= 4
    assert all(r.amount > 0 and r.currency == "EUR" for r in records)


def entry(inside: str, namespace: str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02") -> bytes:
    return (
        f'<Document xmlns="{namespace}"><BkToCstmrStmt><Stmt><Id>S</Id><Ntry>{inside}</Ntry></Stmt>'
        "</BkToCstmrStmt></Document>"
    ).encode()


def test_an_older_version_and_an_entry_without_details_are_read() -> None:
    (record,) = parse_statement(
        entry(
            '<Amt Ccy="EUR">3.5</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
            "<BookgDt><DtTm>2025-01-02T10:00:00</DtTm></BookgDt><AddtlNtryInf>fee</AddtlNtryInf>"
        )
    )
    assert (record.entry_ref, record.amount, record.booked_on) == ("entry-1/1", 350, "2025-01-02")
    assert (record.direction, record.remittance, record.counterparty) == ("debit", "fee", "")


def test_entries_that_are_not_booked_are_left_out() -> None:
    assert parse_statement(entry("<Sts><Cd>PDNG</Cd></Sts>")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no xml", "not well-formed"),
        (b"<Document/>", "no camt.053"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "document type"),
        (entry("<NtryRef>7</NtryRef>"), "entry 7, transaction 1: it has no amount"),
        (
            entry('<NtryRef>8</NtryRef><Amt Ccy="EUR">1</Amt>'),
            "entry 8, transaction 1: it has no booking date",
        ),
        (entry('<NtryRef>9</NtryRef><Amt Ccy="EUR">x</Amt>'), "entry 9, transaction 1"),
        (b" " * 20_000_001, "at most"),
    ],
)
def test_what_is_no_statement_is_refused_with_the_place(content: bytes, message: str) -> None:
    with pytest.raises(BadStatement, match=message):
        parse_statement(content)
