"""What the generator builds before anything is written: vendors, invoices and payments.

Money is whole cents (int); a currency is an ISO 4217 code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

SHOP_NAME = "Fietsatelier Noordkaai BV"
SHOP_ADDRESS = ("Havenlaan 212", "1080 Brussel")
SHOP_IBAN = "BE71096123456769"
SHOP_VAT = "BE0712345678"


@dataclass(frozen=True)
class Style:
    """How one vendor writes its invoices: layout, language, dates, amounts and numbers."""

    layout: str
    language: str
    date_format: str
    decimal_comma: bool
    currency_style: str
    number_scheme: str
    shows_iban: bool


@dataclass
class Vendor:
    """A supplier of the shop. ``next_number`` counts up as invoices are written."""

    name: str
    country: str
    city: str
    iban: str
    vat_id: str
    currency: str
    style: Style
    next_number: int
    amounts_used: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Line:
    """One line of an invoice; ``unit`` is the price of one piece in cents, without tax."""

    text: str
    quantity: int
    unit: int


@dataclass
class Invoice:
    """An invoice or a credit note. ``file`` is given once all invoices are known."""

    vendor: Vendor
    number: str
    issued: date
    due: date
    lines: tuple[Line, ...]
    vat_percent: int
    payment_reference: str | None
    credit_note: bool = False
    copy_of: Invoice | None = None
    file: str = ""

    @property
    def net(self) -> int:
        """The sum without tax, in cents."""
        return sum(line.quantity * line.unit for line in self.lines)

    @property
    def vat(self) -> int:
        """The tax, in cents, rounded half up."""
        return (self.net * self.vat_percent * 2 + 100) // 200

    @property
    def total(self) -> int:
        """What is to be paid (or is credited), in cents."""
        return self.net + self.vat


@dataclass
class Payment:
    """One transaction of the account as it will stand in the statement.

    ``amount`` is what was booked on the account, charges included, in euro cents. ``invoices`` and
    ``one_right`` are the answer and never reach the statement.
    """

    kind: str
    day: date
    amount: int
    name: str | None = None
    iban: str | None = None
    text: str | None = None
    reference: str | None = None
    end_to_end: str | None = None
    credit: bool = False
    reversal_of: Payment | None = None
    batch: str | None = None
    instructed: tuple[int, str] | None = None
    rate: Decimal | None = None
    charge: int = 0
    card: bool = False
    invoices: tuple[Invoice, ...] = ()
    one_right: bool = False
    entry_ref: str = ""


@dataclass
class Month:
    """Everything of one month, ready to be written."""

    first: date
    seed: int
    invoices: list[Invoice]
    payments: list[Payment]
