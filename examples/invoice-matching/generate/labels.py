"""The words on an invoice in each language, and how dates and amounts are written."""

from __future__ import annotations

from datetime import date

from generate.model import Invoice, Style

LABELS: dict[str, dict[str, str]] = {
    "nl": {
        "invoice": "Factuur",
        "credit": "Creditnota",
        "number": "Factuurnummer",
        "date": "Factuurdatum",
        "due": "Vervaldatum",
        "bill_to": "Factuur aan",
        "item": "Omschrijving",
        "quantity": "Aantal",
        "price": "Prijs",
        "amount": "Bedrag",
        "net": "Subtotaal excl. btw",
        "vat": "Btw",
        "total": "Totaal te betalen",
        "total_credit": "Totaal tegoed",
        "reference": "Gestructureerde mededeling",
        "iban": "IBAN",
        "vat_id": "Btw-nummer",
        "copy": "KOPIE",
        "customer": "Klantnummer",
        "sentence": "Wij vragen u het totaalbedrag van {total} voor {due} te voldoen.",
    },
    "fr": {
        "invoice": "Facture",
        "credit": "Note de crédit",
        "number": "Facture n°",
        "date": "Date de facture",
        "due": "Échéance",
        "bill_to": "Facturé à",
        "item": "Désignation",
        "quantity": "Qté",
        "price": "Prix",
        "amount": "Montant",
        "net": "Total HT",
        "vat": "TVA",
        "total": "Total TTC",
        "total_credit": "Total de l'avoir",
        "reference": "Communication structurée",
        "iban": "IBAN",
        "vat_id": "N° TVA",
        "copy": "DUPLICATA",
        "customer": "N° client",
        "sentence": "Merci de régler la somme de {total} avant le {due}.",
    },
    "de": {
        "invoice": "Rechnung",
        "credit": "Gutschrift",
        "number": "Rechnungsnummer",
        "date": "Rechnungsdatum",
        "due": "Zahlbar bis",
        "bill_to": "Rechnungsempfänger",
        "item": "Bezeichnung",
        "quantity": "Menge",
        "price": "Preis",
        "amount": "Betrag",
        "net": "Nettobetrag",
        "vat": "MwSt.",
        "total": "Gesamtbetrag",
        "total_credit": "Gutschriftsbetrag",
        "reference": "Verwendungszweck",
        "iban": "IBAN",
        "vat_id": "USt-IdNr.",
        "copy": "KOPIE",
        "customer": "Kundennummer",
        "sentence": "Bitte überweisen Sie den Betrag von {total} bis zum {due}.",
    },
    "en": {
        "invoice": "Invoice",
        "credit": "Credit note",
        "number": "Invoice number",
        "date": "Invoice date",
        "due": "Due date",
        "bill_to": "Bill to",
        "item": "Description",
        "quantity": "Qty",
        "price": "Unit price",
        "amount": "Amount",
        "net": "Subtotal",
        "vat": "VAT",
        "total": "Amount due",
        "total_credit": "Amount credited",
        "reference": "Payment reference",
        "iban": "IBAN",
        "vat_id": "VAT no.",
        "copy": "COPY",
        "customer": "Customer no.",
        "sentence": "Please pay {total} no later than {due}.",
    },
}
CREDIT_NUMBER = {
    "nl": "Creditnotanummer",
    "fr": "Note de crédit n°",
    "de": "Gutschriftsnummer",
    "en": "Credit note number",
}
MONTHS: dict[str, tuple[str, ...]] = {
    "nl": (
        *("januari", "februari", "maart", "april", "mei", "juni"),
        *("juli", "augustus", "september", "oktober", "november", "december"),
    ),
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF"}
NUMERIC_DATES = {"dmy-slash": "%d/%m/%Y", "dmy-dash": "%d-%m-%Y", "dmy-dot": "%d.%m.%Y", "iso": "%Y-%m-%d"}


def write_date(day: date, style: Style) -> str:
    """A date the way this vendor writes it."""
    if style.date_format in NUMERIC_DATES:
        return day.strftime(NUMERIC_DATES[style.date_format])
    month = MONTHS[style.language][day.month - 1]
    if style.date_format == "month-first":
        return f"{month[:3]} {day.day}, {day.year}"
    return f"{day.day}{'.' if style.language == 'de' else ''} {month} {day.year}"


def write_number(cents: int, style: Style) -> str:
    """An amount without currency: ``1.234,56``, ``1 234,56`` (French) or ``1,234.56``."""
    text = f"{cents // 100:,}.{cents % 100:02d}"
    if not style.decimal_comma:
        return text
    return text.translate(str.maketrans(",.", " ," if style.language == "fr" else ".,"))


def write_money(cents: int, currency: str, style: Style) -> str:
    """An amount with its currency where this vendor puts it."""
    number = write_number(cents, style)
    if style.currency_style == "sign-before":
        return f"{SIGNS[currency]} {number}"
    return f"{number} {currency}" if style.currency_style == "code-after" else f"{currency} {number}"


def words(invoice: Invoice) -> dict[str, str]:
    """The labels for this invoice or credit note."""
    labels = dict(LABELS[invoice.vendor.style.language])
    if invoice.credit_note:
        labels |= {
            "invoice": labels["credit"],
            "number": CREDIT_NUMBER[invoice.vendor.style.language],
            "total": labels["total_credit"],
            "sentence": "",
        }
    return labels
