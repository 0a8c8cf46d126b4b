"""The cases a bookkeeper knows, each a function that writes invoices and payments on the desk."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from generate.desk import RATES, Desk
from generate.invoices import copy_invoice, draw_lines
from generate.model import Invoice, Payment
from generate.remittance import filler, free_text, misspell, mistype_number


def refer(desk: Desk, payment: Payment, *invoices: Invoice) -> None:
    """Writes the reference: structured when the invoice has one, else the numbers in free text."""
    if len(invoices) == 1 and invoices[0].payment_reference:
        payment.reference = invoices[0].payment_reference
    else:
        payment.text = free_text(desk.rng, invoices)


def structured_reference(desk: Desk) -> None:
    """Paid with the reference the invoice asks for."""
    invoice = desk.invoice(desk.vendor())
    payment = desk.pay("structured-reference", invoice)
    payment.end_to_end = f"E2E-{desk.rng.randrange(10**7, 10**8)}"
    refer(desk, payment, invoice)


def free_reference(desk: Desk) -> None:
    """Paid with the invoice's number typed in free text."""
    invoice = desk.invoice(desk.vendor())
    desk.pay("free-reference", invoice).text = free_text(desk.rng, [invoice])


def batch(desk: Desk) -> None:
    """Six or seven transfers ordered together, booked as one entry."""
    invoices = [desk.invoice(desk.vendor()) for _ in range(desk.rng.randint(6, 7))]
    day = desk.pay_day(*invoices)
    name = f"BATCH-{desk.rng.randrange(10**5, 10**6)}"
    for invoice in invoices:
        payment = desk.pay("batch", invoice, day=day)
        payment.batch, payment.end_to_end = name, f"{name}-{invoice.number}"[:35]
        refer(desk, payment, invoice)


def missing_reference(desk: Desk) -> None:
    """The vendor and the amount are right; nothing says which invoice."""
    invoice = desk.invoice(desk.vendor())
    desk.pay("missing-reference", invoice).text = filler(desk.rng)


def misspelt_vendor(desk: Desk) -> None:
    """The name was typed by hand, wrongly, and the account number is not shown; half have a reference."""
    invoice = desk.invoice(desk.vendor())
    payment = desk.pay("misspelt-vendor", invoice)
    payment.name, payment.iban = misspell(desk.rng, invoice.vendor.name), None
    payment.text = free_text(desk.rng, [invoice]) if desk.rng.random() < 0.5 else filler(desk.rng)


def several_invoices(desk: Desk) -> None:
    """One payment for two or three invoices of a vendor."""
    vendor = desk.vendor()
    invoices = [desk.invoice(vendor) for _ in range(desk.rng.randint(2, 3))]
    desk.pay("several-invoices", *invoices).text = free_text(desk.rng, invoices)


def partial_payment(desk: Desk) -> None:
    """An invoice paid in two parts."""
    invoice = desk.invoice(desk.vendor())
    part = invoice.total * desk.rng.choice((25, 30, 40, 50)) // 100
    day = min(desk.pay_day(invoice), desk.last - timedelta(days=2))
    for amount, word, when in ((part, "1/2", day), (invoice.total - part, "2/2", desk.later(day))):
        payment = desk.pay("partial-payment", invoice, amount=amount, day=when)
        payment.text = f"{free_text(desk.rng, [invoice])} {desk.rng.choice(('deel', 'part', 'Teil'))} {word}"


def wrong_reference(desk: Desk) -> None:
    """The reference is mistyped, or is the number of another invoice."""
    invoice = desk.invoice(desk.vendor())
    payment = desk.pay("wrong-reference", invoice)
    others = [i for i in desk.invoices if i is not invoice and i.number != invoice.number]
    wrong = (
        mistype_number(desk.rng, invoice.number)
        if desk.rng.random() < 0.5
        else desk.rng.choice(others).number
    )
    payment.text = f"factuur {wrong}"


def equal_amounts_referenced(desk: Desk) -> None:
    """Three invoices of one vendor over the same amount, each paid with its number."""
    vendor = desk.vendor()
    lines = draw_lines(desk.rng, vendor)
    for invoice in [desk.invoice(vendor, lines) for _ in range(3)]:
        desk.pay("equal-amounts-referenced", invoice).text = free_text(desk.rng, [invoice])


def equal_amounts_unreferenced(desk: Desk) -> None:
    """Two invoices of one vendor over the same amount, paid without a word: nobody can tell them apart."""
    vendor = desk.vendor()
    lines = draw_lines(desk.rng, vendor)
    for invoice in [desk.invoice(vendor, lines) for _ in range(2)]:
        payment = desk.pay("equal-amounts-unreferenced", invoice)
        payment.text, payment.one_right = filler(desk.rng), False


def foreign_currency(desk: Desk) -> None:
    """An invoice in another currency, booked in euro; the statement names the ordered amount and the rate."""
    invoice = desk.invoice(desk.vendor(foreign=True))
    payment = desk.pay("foreign-currency", invoice)
    payment.instructed = (invoice.total, invoice.vendor.currency)
    payment.rate = Decimal(RATES[invoice.vendor.currency])
    payment.amount = int((invoice.total / payment.rate).quantize(Decimal(1), ROUND_HALF_UP))
    if desk.rng.random() < 0.5:
        payment.charge = desk.rng.choice((350, 500, 1250))
        payment.amount += payment.charge
    payment.text = free_text(desk.rng, [invoice]) if desk.rng.random() < 0.7 else filler(desk.rng)


def charges(desk: Desk) -> None:
    """The bank's charge is inside the booked amount."""
    invoice = desk.invoice(desk.vendor())
    charge = desk.rng.choice((95, 150, 250))
    payment = desk.pay("charges", invoice, amount=invoice.total + charge)
    payment.charge, payment.instructed = charge, (invoice.total, "EUR")
    refer(desk, payment, invoice)


def duplicate_invoice(desk: Desk) -> None:
    """The same invoice arrives twice and is paid once."""
    invoice = desk.invoice(desk.vendor())
    desk.invoices.append(copy_invoice(invoice))
    refer(desk, desk.pay("duplicate-invoice", invoice), invoice)


def duplicate_payment(desk: Desk) -> None:
    """The same invoice is paid twice; the second payment pays nothing."""
    invoice = desk.invoice(desk.vendor())
    day = min(desk.pay_day(invoice), desk.last - timedelta(days=2))
    first = desk.pay("duplicate-payment", invoice, day=day)
    refer(desk, first, invoice)
    second = desk.pay("duplicate-payment", invoice, day=desk.later(day))
    second.text, second.reference = first.text, first.reference
    second.invoices, second.one_right = (), False


def reversed_payment(desk: Desk) -> None:
    """A payment the bank took back; mostly it is paid again."""
    invoice = desk.invoice(desk.vendor())
    day = min(desk.pay_day(invoice), desk.last - timedelta(days=6))
    first = desk.pay("reversed", invoice, day=day)
    refer(desk, first, invoice)
    first.end_to_end = f"E2E-{desk.rng.randrange(10**7, 10**8)}"
    first.invoices, first.one_right = (), False
    back = desk.pay("reversed", invoice, day=desk.later(day, 1, 2))
    back.credit, back.reversal_of, back.end_to_end = True, first, first.end_to_end
    back.invoices, back.one_right = (), False
    if desk.rng.random() < 0.7:
        refer(desk, desk.pay("paid-after-reversal", invoice, day=desk.later(back.day)), invoice)


def cash_discount(desk: Desk) -> None:
    """Two per cent kept for paying early."""
    invoice = desk.invoice(desk.vendor())
    payment = desk.pay("cash-discount", invoice, amount=invoice.total * 98 // 100)
    payment.text = (
        f"{free_text(desk.rng, [invoice])} {desk.rng.choice(('-2% Skonto', 'abzgl. 2%', 'korting 2%'))}"
    )


def credit_note(desk: Desk) -> None:
    """Money back from a vendor, with a credit note."""
    note = desk.invoice(desk.vendor(), credit_note=True)
    payment = desk.pay("credit-note", note)
    payment.credit, payment.text = True, free_text(desk.rng, [note])


def card_purchase(desk: Desk) -> None:
    """Paid by card: the bank's line of text holds the shop's name; no account, no reference."""
    invoice = desk.invoice(desk.vendor())
    payment = desk.pay("card", invoice)
    shown = invoice.vendor.name.upper()[:22]
    payment.text = f"CARD {payment.day:%d/%m} {desk.rng.randint(9, 18)}:{desk.rng.randint(10, 59)} {shown}"
    payment.name, payment.iban, payment.card = None, None, True


def unpaid(desk: Desk) -> None:
    """An invoice nobody paid this month."""
    desk.invoice(desk.vendor())
