"""A letter: number and date in the subject line, the sum in a sentence, the account after the greeting."""

from __future__ import annotations

from generate import model
from generate.layouts.page import Page

ON = {"nl": "van", "fr": "du", "de": "vom", "en": "of"}
GREETING = {
    "nl": "Met vriendelijke groet,",
    "fr": "Cordialement,",
    "de": "Mit freundlichen Grüßen",
    "en": "Kind regards,",
}


def draw(page: Page) -> None:
    """Draws the whole page."""
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    language = vendor.style.language
    page.write(70, 780, f"{vendor.name}, {vendor.city}", 8)
    for row, text in enumerate((model.SHOP_NAME, *model.SHOP_ADDRESS)):
        page.write(70, 750 - 13 * row, text, 10)
    subject = f"{page.title()} {invoice.number} {ON[language]} {page.date(invoice.issued)}"
    page.write(70, 670, subject, 12, bold=True)
    y = 630.0
    for line in invoice.lines:
        page.write(
            70,
            y,
            f"{line.text}, {line.quantity} x {page.number(line.unit)} = "
            f"{page.number(line.quantity * line.unit)}",
            10,
        )
        y -= 14
    page.write(
        70,
        y - 10,
        f"{labels['net']} {page.money(invoice.net)}, {labels['vat']} {invoice.vat_percent}% "
        f"{page.money(invoice.vat)}",
        10,
    )
    page.write(70, y - 30, f"{labels['total']} {page.money(invoice.total)}", 11, bold=True)
    if labels["sentence"]:
        sentence = labels["sentence"].format(total=page.money(invoice.total), due=page.date(invoice.due))
        page.write(70, y - 60, sentence, 10)
    _closing(page, y - 90)


def _closing(page: Page, y: float) -> None:
    invoice, vendor, labels = page.invoice, page.invoice.vendor, page.labels
    if invoice.payment_reference:
        page.write(70, y, f"{labels['reference']}: {invoice.payment_reference}", 10)
    page.write(70, y - 24, GREETING[vendor.style.language], 10)
    page.write(70, y - 38, vendor.name, 10)
    footer = f"{labels['vat_id']} {vendor.vat_id}"
    if vendor.iban and vendor.style.shows_iban:
        footer += f" - {labels['iban']} {vendor.iban}"
    page.write(70, 50, footer, 7)
