"""Puts a month together: which cases, how often, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from random import Random

from generate import cases, others
from generate.desk import Desk
from generate.model import Month, Payment
from generate.vendors import draw_vendors

Plan = Sequence[tuple[Callable[[Desk], None], int]]

PLAN: Plan = (
    (cases.structured_reference, 20),
    (cases.free_reference, 22),
    (cases.batch, 4),
    (cases.missing_reference, 16),
    (cases.misspelt_vendor, 10),
    (cases.several_invoices, 6),
    (cases.partial_payment, 5),
    (cases.wrong_reference, 5),
    (cases.equal_amounts_referenced, 2),
    (cases.equal_amounts_unreferenced, 2),
    (cases.foreign_currency, 9),
    (cases.charges, 4),
    (cases.duplicate_invoice, 4),
    (cases.duplicate_payment, 4),
    (cases.reversed_payment, 3),
    (cases.cash_discount, 3),
    (cases.credit_note, 2),
    (cases.card_purchase, 6),
    (cases.unpaid, 10),
    (others.ordinary, 14),
    (others.takings, 12),
    (others.bank_fee, 3),
    (others.known_vendor_without_invoice, 8),
    (others.same_amount_elsewhere, 4),
    (others.similar_name, 3),
    (others.missing_month, 2),
)


def make_month(seed: int, first: date, plan: Plan = PLAN) -> Month:
    """The month of ``first`` (its first day) for a seed; the same arguments give an equal month.

    ``plan`` says which cases, how often.
    """
    rng = Random(f"{seed}/{first:%Y-%m}")
    desk = Desk(rng, first, draw_vendors(rng))
    for case, times in plan:
        for _ in range(times):
            case(desk)
    rng.shuffle(desk.invoices)
    for position, invoice in enumerate(desk.invoices, 1):
        invoice.file = f"invoice-{position:03d}.pdf"
    return Month(first, seed, desk.invoices, _in_statement_order(rng, desk.payments))


def _in_statement_order(rng: Random, payments: list[Payment]) -> list[Payment]:
    """By day; inside a day at random, but a batch stays together and cause comes before consequence."""
    drawn = {id(p): rng.random() for p in payments}
    place = {id(p): position for position, p in enumerate(payments)}
    batches: dict[str, float] = {}

    def rank(payment: Payment) -> tuple[date, float, int]:
        own = drawn[id(payment)]
        if payment.batch:
            own = batches.setdefault(payment.batch, own)
        elif payment.kind in {"duplicate-payment", "partial-payment", "reversed", "paid-after-reversal"}:
            own = 0.5
        return payment.day, own, place[id(payment)]

    return sorted(payments, key=rank)
