"""Letterhead on top, "label: value" lines at the right, a table of items and the totals under it."""

from __future__ import annotations

from generate import model
from generate.layouts.page import Page


def draw(page: Page) -> None:
    """Draws the whole page."""
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    page.write(50, 790, vendor.name, 15, bold=True)
    page.write(50, 774, f"{vendor.city} ({vendor.country})   {labels['vat_id']} {vendor.vat_id}")
    page.write_right(545, 790, page.title().upper(), 14, bold=True)
    page.write(50, 730, f"{labels['bill_to']}:", bold=True)
    for row, text in enumerate((model.SHOP_NAME, *model.SHOP_ADDRESS)):
        page.write(50, 717 - 12 * row, text)
    page.write_right(545, 730, f"{labels['number']}: {invoice.number}")
    page.write_right(545, 717, f"{labels['date']}: {page.date(invoice.issued)}")
    page.write_right(545, 704, f"{labels['due']}: {page.date(invoice.due)}")
    bottom = _items(page)
    for row, (label, cents) in enumerate(
        (
            (labels["net"], invoice.net),
            (f"{labels['vat']} {invoice.vat_percent}%", invoice.vat),
            (labels["total"], invoice.total),
        )
    ):
        page.write_right(440, bottom - 14 * row, label, bold=row == 2)
        page.write_right(545, bottom - 14 * row, page.money(cents), bold=row == 2)
    _footer(page)


def _items(page: Page) -> float:
    labels, y = page.labels, 630.0
    for x, key in ((350, "quantity"), (440, "price"), (545, "amount")):
        page.write_right(x, y, labels[key], bold=True)
    page.write(50, y, labels["item"], bold=True)
    page.canvas.line(50, y - 4, 545, y - 4)
    for line in page.invoice.lines:
        y -= 16
        page.write(50, y, line.text)
        page.write_right(350, y, str(line.quantity))
        page.write_right(440, y, page.number(line.unit))
        page.write_right(545, y, page.number(line.quantity * line.unit))
    return y - 30


def _footer(page: Page) -> None:
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    if invoice.payment_reference:
        page.write(50, 90, f"{labels['reference']}: {invoice.payment_reference}")
    if vendor.iban and vendor.style.shows_iban:
        page.write(50, 76, f"{labels['iban']}: {vendor.iban}")
