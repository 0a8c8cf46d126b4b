"""A coloured column at the left with each label above its value; items and totals at the right."""

from __future__ import annotations

from generate import model
from generate.layouts.page import Page


def draw(page: Page) -> None:
    """Draws the whole page."""
    page.canvas.setFillColorRGB(0.9, 0.94, 0.97)
    page.canvas.rect(0, 0, 190, 842, stroke=0, fill=1)
    page.canvas.setFillColorRGB(0, 0, 0)
    _column(page)
    _body(page)


def _column(page: Page) -> None:
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    blocks = [
        (labels["number"], invoice.number),
        (labels["date"], page.date(invoice.issued)),
        (labels["due"], page.date(invoice.due)),
        (labels["customer"], "40213"),
        (labels["vat_id"], vendor.vat_id),
    ]
    if vendor.iban and vendor.style.shows_iban:
        spaced = " ".join(vendor.iban[i : i + 4] for i in range(0, len(vendor.iban), 4))
        blocks.append((labels["iban"], spaced))
    if invoice.payment_reference:
        blocks.append((labels["reference"], invoice.payment_reference))
    y = 700.0
    for label, value in blocks:
        page.write(20, y, label, 7)
        page.write(20, y - 12, value, 10, bold=True)
        y -= 38


def _body(page: Page) -> None:
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    page.write(210, 790, page.title(), 22, bold=True)
    page.write(210, 760, vendor.name, 11, bold=True)
    page.write(210, 746, f"{vendor.city}, {vendor.country}")
    page.write(400, 760, labels["bill_to"], 7)
    for row, text in enumerate((model.SHOP_NAME, *model.SHOP_ADDRESS)):
        page.write(400, 748 - 12 * row, text)
    y = 690.0
    for line in invoice.lines:
        page.write(210, y, line.text)
        page.write_right(430, y, f"{line.quantity} x {page.number(line.unit)}")
        page.write_right(560, y, page.money(line.quantity * line.unit))
        y -= 18
    for label, cents in ((labels["net"], invoice.net), (labels["vat"], invoice.vat)):
        y -= 16
        page.write(330, y, label)
        page.write_right(560, y, page.money(cents))
    page.write(330, y - 30, labels["total"], 8)
    page.write(330, y - 48, page.money(invoice.total), 16, bold=True)
