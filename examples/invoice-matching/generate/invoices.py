"""Writes invoices for a vendor: number, dates, lines and payment reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from generate import identifiers, names
from generate.model import Invoice, Line, Vendor


def write_invoice(
    rng: Random,
    vendor: Vendor,
    issued: date,
    lines: tuple[Line, ...] | None = None,
    credit_note: bool = False,
) -> Invoice:
    """A new invoice of this vendor. Its total differs from the vendor's others unless ``lines`` are given."""
    return Invoice(
        vendor=vendor,
        number=_next_number(rng, vendor, issued),
        issued=issued,
        due=issued + timedelta(days=rng.choice((14, 21, 30))),
        lines=lines or _unused_lines(rng, vendor),
        vat_percent=names.VAT_PERCENT[vendor.country],
        payment_reference=None if credit_note else _payment_reference(rng, vendor),
        credit_note=credit_note,
    )


def copy_invoice(invoice: Invoice) -> Invoice:
    """The same invoice sent a second time."""
    return replace(invoice, copy_of=invoice)


def draw_lines(rng: Random, vendor: Vendor) -> tuple[Line, ...]:
    """One to four lines in the vendor's language."""
    texts = rng.sample(names.ITEMS[vendor.style.language], k=rng.randint(1, 4))
    return tuple(Line(text, rng.randint(1, 6), rng.randrange(290, 5900)) for text in texts)


def _unused_lines(rng: Random, vendor: Vendor) -> tuple[Line, ...]:
    while True:
        lines = draw_lines(rng, vendor)
        net = sum(line.quantity * line.unit for line in lines)
        if net not in vendor.amounts_used:
            vendor.amounts_used.add(net)
            return lines


def _next_number(rng: Random, vendor: Vendor, issued: date) -> str:
    vendor.next_number += rng.randint(1, 9)
    return vendor.style.number_scheme.format(
        year=issued.year, yy=issued.year % 100, month=issued.month, n=vendor.next_number
    )


def _payment_reference(rng: Random, vendor: Vendor) -> str | None:
    chance = rng.random()
    if vendor.country == "BE" and chance < 0.7:
        return identifiers.belgian_reference(rng)
    if vendor.country in {"DE", "FR", "NL", "CH"} and chance < 0.2:
        return identifiers.creditor_reference(rng)
    return None
