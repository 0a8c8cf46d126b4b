"""One page being drawn: the invoice, its words, and small drawing verbs the layouts share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reportlab.pdfgen.canvas import Canvas

from generate.labels import words, write_date, write_money, write_number
from generate.model import Invoice


@dataclass
class Page:
    """A canvas (A4, points, origin bottom left) and what is to be written on it."""

    canvas: Canvas
    invoice: Invoice
    font: str = "Helvetica"

    @property
    def labels(self) -> dict[str, str]:
        """The words in the vendor's language."""
        return words(self.invoice)

    def date(self, day: date) -> str:
        """A date the vendor's way."""
        return write_date(day, self.invoice.vendor.style)

    def money(self, cents: int) -> str:
        """An amount with currency the vendor's way."""
        return write_money(cents, self.invoice.vendor.currency, self.invoice.vendor.style)

    def number(self, cents: int) -> str:
        """An amount without currency the vendor's way."""
        return write_number(cents, self.invoice.vendor.style)

    def write(self, x: float, y: float, text: str, size: float = 9, bold: bool = False) -> None:
        """Text that starts at x."""
        self.canvas.setFont(self.font + ("-Bold" if bold else ""), size)
        self.canvas.drawString(x, y, text)

    def write_right(self, x: float, y: float, text: str, size: float = 9, bold: bool = False) -> None:
        """Text that ends at x."""
        self.canvas.setFont(self.font + ("-Bold" if bold else ""), size)
        self.canvas.drawRightString(x, y, text)

    def title(self) -> str:
        """The document's name, with the mark of a copy on a second sending."""
        mark = f" - {self.labels['copy']}" if self.invoice.copy_of else ""
        return self.labels["invoice"] + mark
