"""A row of labels with the row of their values beneath it, the customer first, the sender in the footer."""

from __future__ import annotations

from generate import model
from generate.layouts.page import Page


def draw(page: Page) -> None:
    """Draws the whole page."""
    invoice, labels = page.invoice, page.labels
    page.font = "Times" if page.invoice.vendor.style.shows_iban else "Helvetica"
    page = _with_face(page)
    page.write(60, 800, page.title(), 20, bold=True)
    page.write(60, 770, labels["bill_to"])
    for row, text in enumerate((model.SHOP_NAME, *model.SHOP_ADDRESS)):
        page.write(60, 757 - 12 * row, text)
    page.canvas.rect(55, 670, 480, 40)
    columns = (
        (60, "number", invoice.number),
        (220, "date", page.date(invoice.issued)),
        (380, "due", page.date(invoice.due)),
    )
    for x, key, _ in columns:
        page.write(x, 696, labels[key], 8)
    for x, _, value in columns:
        page.write(x, 680, value, 10, bold=True)
    y = 640.0
    for line in invoice.lines:
        page.write(60, y, f"{line.quantity} x {line.text} @ {page.number(line.unit)}")
        page.write_right(535, y, page.number(line.quantity * line.unit))
        y -= 15
    _totals(page, y - 20)
    _sender(page)


def _with_face(page: Page) -> Page:
    face = "Times-Roman" if page.font == "Times" else page.font
    return _TimesPage(page.canvas, page.invoice, face)


class _TimesPage(Page):
    def write(self, x: float, y: float, text: str, size: float = 9, bold: bool = False) -> None:
        self.canvas.setFont(self._face(bold), size)
        self.canvas.drawString(x, y, text)

    def write_right(self, x: float, y: float, text: str, size: float = 9, bold: bool = False) -> None:
        self.canvas.setFont(self._face(bold), size)
        self.canvas.drawRightString(x, y, text)

    def _face(self, bold: bool) -> str:
        return self.font.replace("-Roman", "") + "-Bold" if bold else self.font


def _totals(page: Page, y: float) -> None:
    invoice, labels = page.invoice, page.labels
    page.canvas.rect(55, y - 24, 480, 40)
    columns = (
        (150, labels["net"], invoice.net),
        (330, f"{labels['vat']} ({invoice.vat_percent} %)", invoice.vat),
        (525, labels["total"], invoice.total),
    )
    for x, label, _ in columns:
        page.write_right(x, y, label, 8)
    for x, _, cents in columns:
        page.write_right(x, y - 16, page.money(cents), 10, bold=True)


def _sender(page: Page) -> None:
    vendor, labels = page.invoice.vendor, page.labels
    parts = [vendor.name, vendor.city, f"{labels['vat_id']} {vendor.vat_id}"]
    if vendor.iban and vendor.style.shows_iban:
        parts.append(f"{labels['iban']} {vendor.iban}")
    if page.invoice.payment_reference:
        page.write(60, 110, f"{labels['reference']} {page.invoice.payment_reference}")
    page.write(60, 60, " | ".join(parts), 8)
