"""The transaction details (``TxDtls``) of a statement entry."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from generate import model
from generate.model import Payment


def money(parent: ET.Element, tag: str, cents: int, currency: str) -> None:
    """An amount element with its currency."""
    ET.SubElement(parent, tag, Ccy=currency).text = f"{cents // 100}.{cents % 100:02d}"


def add_charges(parent: ET.Element, payment: Payment) -> None:
    """The charge that is contained in the booked amount."""
    charges = ET.SubElement(parent, "Chrgs")
    money(charges, "TtlChrgsAndTaxAmt", payment.charge, "EUR")
    record = ET.SubElement(charges, "Rcrd")
    money(record, "Amt", payment.charge, "EUR")
    _text(record, "CdtDbtInd", "DBIT")
    _text(record, "ChrgInclInd", "true")


def add_details(details: ET.Element, payment: Payment, bank_reference: str) -> None:
    """One transaction: references, amounts, parties and remittance information, in the schema's order."""
    element = ET.SubElement(details, "TxDtls")
    references = ET.SubElement(element, "Refs")
    _text(references, "AcctSvcrRef", bank_reference)
    if payment.batch:
        _text(references, "PmtInfId", payment.batch)
    _text(references, "EndToEndId", payment.end_to_end or "NOTPROVIDED")
    money(element, "Amt", payment.amount, "EUR")
    _text(element, "CdtDbtInd", "CRDT" if payment.credit else "DBIT")
    if payment.instructed:
        _amount_details(element, payment)
    if payment.charge:
        add_charges(element, payment)
    if payment.name:
        _parties(element, payment)
    _remittance(element, payment)
    if payment.reversal_of:
        reason = ET.SubElement(ET.SubElement(element, "RtrInf"), "Rsn")
        _text(reason, "Cd", "AC04")
    if payment.card and payment.text:
        _text(element, "AddtlTxInf", payment.text)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _amount_details(element: ET.Element, payment: Payment) -> None:
    cents, currency = payment.instructed or (payment.amount, "EUR")
    amounts = ET.SubElement(element, "AmtDtls")
    money(ET.SubElement(amounts, "InstdAmt"), "Amt", cents, currency)
    transaction = ET.SubElement(amounts, "TxAmt")
    money(transaction, "Amt", payment.amount - payment.charge, "EUR")
    if payment.rate:
        exchange = ET.SubElement(transaction, "CcyXchg")
        _text(exchange, "SrcCcy", "EUR")
        _text(exchange, "TrgtCcy", currency)
        _text(exchange, "UnitCcy", "EUR")
        _text(exchange, "XchgRate", str(payment.rate))


def _parties(element: ET.Element, payment: Payment) -> None:
    """The shop pays as debtor; money that comes in has the shop as creditor."""
    parties = ET.SubElement(element, "RltdPties")
    other, shop = (payment.name or "", payment.iban), (model.SHOP_NAME, None)
    debtor, creditor = (other, shop) if payment.credit else (shop, other)
    for tag, (name, iban) in (("Dbtr", debtor), ("Cdtr", creditor)):
        _text(ET.SubElement(ET.SubElement(parties, tag), "Pty"), "Nm", name)
        if iban:
            account = ET.SubElement(parties, f"{tag}Acct")
            _text(ET.SubElement(account, "Id"), "IBAN", iban)


def _remittance(element: ET.Element, payment: Payment) -> None:
    if payment.card or not (payment.text or payment.reference):
        return
    information = ET.SubElement(element, "RmtInf")
    if payment.text:
        _text(information, "Ustrd", payment.text[:140])
    if payment.reference:
        reference = ET.SubElement(ET.SubElement(information, "Strd"), "CdtrRefInf")
        kind = ET.SubElement(ET.SubElement(reference, "Tp"), "CdOrPrtry")
        if payment.reference.startswith("RF"):
            _text(kind, "Cd", "SCOR")
        else:
            _text(kind, "Prtry", "BBA")
        _text(reference, "Ref", "".join(char for char in payment.reference if char.isalnum()))
