"""A narrow till slip in a fixed-width face: dotted leaders, the sum in the last line."""

from __future__ import annotations

from generate import model
from generate.layouts.page import Page

WIDTH = 46


def draw(page: Page) -> None:
    """Draws the whole page."""
    page.font = "Courier"
    y = 800.0
    for text in _lines(page):
        page.write(150, y, text, 9)
        y -= 12


def _lines(page: Page) -> list[str]:
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    lines = [
        vendor.name.center(WIDTH),
        vendor.city.center(WIDTH),
        f"{labels['vat_id']} {vendor.vat_id}".center(WIDTH),
        "-" * WIDTH,
        page.title().upper(),
        _leader(labels["number"], invoice.number),
        _leader(labels["date"], page.date(invoice.issued)),
        _leader(labels["due"], page.date(invoice.due)),
        f"{labels['bill_to']}: {model.SHOP_NAME}",
        "-" * WIDTH,
    ]
    for line in invoice.lines:
        lines += [f"{line.quantity} {line.text}", _leader("", page.number(line.quantity * line.unit))]
    lines += [
        "-" * WIDTH,
        _leader(labels["net"], page.money(invoice.net)),
        _leader(f"{labels['vat']} {invoice.vat_percent}%", page.money(invoice.vat)),
        _leader(labels["total"].upper(), page.money(invoice.total)),
        "-" * WIDTH,
    ]
    if invoice.payment_reference:
        lines += [f"{labels['reference']}:", f"  {invoice.payment_reference}"]
    if vendor.iban and vendor.style.shows_iban:
        lines.append(f"{labels['iban']} {vendor.iban}")
    return lines


def _leader(label: str, value: str) -> str:
    dots = "." * max(2, WIDTH - len(label) - len(value) - 2)
    return f"{label} {dots} {value}"
