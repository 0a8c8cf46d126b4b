"""Transactions that have no invoice, some of them made to look as if they had one."""

from __future__ import annotations

from generate import identifiers, names
from generate.desk import Desk
from generate.invoices import draw_lines
from generate.model import Payment
from generate.remittance import bank_name, filler, misspell, mistype_number

KIND = "no-invoice"


def _other(desk: Desk, amount: int, **fields: object) -> Payment:
    payment = Payment(kind=KIND, day=desk.pay_day(), amount=amount)
    for name, value in fields.items():
        setattr(payment, name, value)
    desk.payments.append(payment)
    return payment


def ordinary(desk: Desk) -> None:
    """Wages, taxes, rent and the like."""
    name, text, low, high = desk.rng.choice(names.WITHOUT_INVOICE)
    iban = identifiers.iban("BE", desk.rng)
    _other(desk, desk.rng.randint(low, high), name=name, text=text, iban=iban)


def takings(desk: Desk) -> None:
    """What customers paid by card, credited by the terminal's operator."""
    _other(
        desk,
        desk.rng.randint(12000, 160000),
        credit=True,
        name="Betaaldienst Kassa",
        text=f"{desk.rng.choice(names.TAKINGS)} ref {desk.rng.randrange(10**6, 10**7)}",
    )


def bank_fee(desk: Desk) -> None:
    """The bank's own charge: an entry without a counterparty."""
    _other(desk, desk.rng.choice((350, 725, 1200)), text="Beheerskosten rekening", end_to_end="NOTPROVIDED")


def known_vendor_without_invoice(desk: Desk) -> None:
    """A known vendor is paid for something whose invoice never came, sometimes with its number."""
    vendor = desk.vendor()
    net = sum(line.quantity * line.unit for line in draw_lines(desk.rng, vendor))
    number = mistype_number(
        desk.rng,
        vendor.style.number_scheme.format(
            year=desk.first.year, yy=desk.first.year % 100, month=desk.first.month, n=vendor.next_number + 40
        ),
    )
    text = f"factuur {number}" if desk.rng.random() < 0.5 else filler(desk.rng)
    _other(desk, net + 1, name=bank_name(desk.rng, vendor.name), iban=vendor.iban, text=text)


def same_amount_elsewhere(desk: Desk) -> None:
    """Somebody else is paid exactly what an invoice asks for."""
    invoice = desk.rng.choice([i for i in desk.invoices if i.vendor.currency == "EUR" and not i.credit_note])
    strangers = ["Garage Kasteelhof", "Bloemen Anemoon", "Loodgieter Wittebrood", "Camping Duinrand"]
    _other(
        desk,
        invoice.total,
        name=desk.rng.choice(strangers),
        iban=identifiers.iban("BE", desk.rng),
        text=filler(desk.rng),
    )


def similar_name(desk: Desk) -> None:
    """A payment to a name much like a vendor's, over another amount."""
    vendor = desk.vendor()
    _other(desk, desk.rng.randint(1500, 90000), name=misspell(desk.rng, vendor.name), text=filler(desk.rng))


def missing_month(desk: Desk) -> None:
    """A subscription: one month's invoice is here and paid, the other month's payment has none."""
    vendor = desk.vendor()
    invoice = desk.invoice(vendor, draw_lines(desk.rng, vendor))
    desk.pay("free-reference", invoice).text = f"factuur {invoice.number}"
    absent = vendor.style.number_scheme.format(
        year=desk.first.year, yy=desk.first.year % 100, month=desk.first.month, n=vendor.next_number + 60
    )
    _other(
        desk, invoice.total, name=bank_name(desk.rng, vendor.name), iban=vendor.iban, text=f"factuur {absent}"
    )
