"""The generator's desk: a seeded random source, the vendors and what has been written so far."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from generate.invoices import write_invoice
from generate.model import Invoice, Line, Payment, Vendor
from generate.remittance import bank_name

RATES = {"USD": "1.0372", "GBP": "0.8431", "CHF": "0.9389"}


@dataclass
class Desk:
    """Shared by all cases; a case draws vendors, writes invoices and appends payments."""

    rng: Random
    first: date
    vendors: list[Vendor]
    invoices: list[Invoice] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)

    @property
    def days(self) -> int:
        """How many days the month has."""
        return monthrange(self.first.year, self.first.month)[1]

    def vendor(self, foreign: bool = False) -> Vendor:
        """A vendor that bills in euro, or (``foreign``) in another currency."""
        return self.rng.choice([v for v in self.vendors if (v.currency != "EUR") == foreign])

    def invoice(
        self, vendor: Vendor, lines: tuple[Line, ...] | None = None, credit_note: bool = False
    ) -> Invoice:
        """A new invoice, issued between five weeks before and three weeks into the month."""
        issued = self.first + timedelta(days=self.rng.randint(-35, 18))
        invoice = write_invoice(self.rng, vendor, issued, lines, credit_note)
        self.invoices.append(invoice)
        return invoice

    def pay_day(self, *invoices: Invoice) -> date:
        """A day of the month after all of the invoices were issued."""
        earliest = max([self.first, *(i.issued + timedelta(days=1) for i in invoices)])
        return earliest + timedelta(days=self.rng.randint(0, (self.last - earliest).days))

    @property
    def last(self) -> date:
        """The month's last day."""
        return self.first.replace(day=self.days)

    def later(self, day: date, low: int = 1, high: int = 6) -> date:
        """A day after ``day``, inside the month."""
        return min(self.last, day + timedelta(days=self.rng.randint(low, high)))

    def pay(
        self, kind: str, *invoices: Invoice, amount: int | None = None, day: date | None = None
    ) -> Payment:
        """Appends a transfer to the vendor of ``invoices`` that says nothing yet about what it pays."""
        vendor = invoices[0].vendor
        payment = Payment(
            kind=kind,
            day=day or self.pay_day(*invoices),
            amount=sum(i.total for i in invoices) if amount is None else amount,
            name=bank_name(self.rng, vendor.name),
            iban=vendor.iban or None,
            invoices=invoices,
            one_right=len(invoices) == 1,
        )
        self.payments.append(payment)
        return payment
