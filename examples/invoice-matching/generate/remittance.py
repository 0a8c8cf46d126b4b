"""How payers and banks write things down: references in free text, names cut short, typing errors."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from generate import names
from generate.model import Invoice

LEAD_INS = (
    "factuur {}",
    "facture {}",
    "Rechnung {}",
    "invoice {}",
    "fact. nr {}",
    "{}",
    "betaling {}",
    "Re.Nr. {}",
    "inv {} thanks",
)
LEGAL_FORMS = (" BV", " NV", " SA", " SRL", " B.V.", " GmbH", " KG", " AG", " SAS", " SARL", " Ltd", " Inc")


def number_as_typed(rng: Random, number: str) -> str:
    """An invoice number the way somebody copies it: as it is, with spaces, or without separators."""
    style = rng.random()
    if style < 0.6:
        return number
    if style < 0.8:
        return number.replace("-", " ").replace("/", " ")
    return number.replace("-", "").lower()


def free_text(rng: Random, invoices: Sequence[Invoice]) -> str:
    """Unstructured remittance that names every given invoice."""
    joined = rng.choice((", ", " + ", " en ", " & ")).join(number_as_typed(rng, i.number) for i in invoices)
    return rng.choice(LEAD_INS).format(joined)


def filler(rng: Random) -> str | None:
    """Text that says nothing about which invoice is paid; sometimes a customer number."""
    if rng.random() < 0.1:
        return f"klantnummer {rng.randrange(10000, 99999)}"
    return rng.choice(names.FILLERS) or None


def bank_name(rng: Random, name: str) -> str:
    """A vendor's name as the bank shows it: sometimes in capitals, without legal form or cut at 24."""
    if rng.random() < 0.4:
        for form in LEGAL_FORMS:
            name = name.removesuffix(form)
    if rng.random() < 0.3:
        name = name.upper()[:24]
    return name


def misspell(rng: Random, name: str) -> str:
    """One or two typing errors: two letters swapped, one lost or one doubled."""
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(1, len(name) - 2)
        style = rng.randrange(3)
        if style == 0:
            name = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        elif style == 1:
            name = name[:at] + name[at + 1 :]
        else:
            name = name[:at] + name[at] + name[at:]
    return name


def mistype_number(rng: Random, number: str) -> str:
    """The number with its last digit made wrong."""
    at = max(i for i, char in enumerate(number) if char.isdigit())
    wrong = str((int(number[at]) + rng.randint(1, 9)) % 10)
    return number[:at] + wrong + number[at + 1 :]
