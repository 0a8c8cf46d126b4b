"""Draws the month's vendors and how each of them writes invoices."""

from __future__ import annotations

from random import Random

from generate import identifiers, names
from generate.model import Style, Vendor

LAYOUTS = ("classic", "boxed", "letter", "sidebar", "slip")
DATE_FORMATS = {
    "nl": ("dmy-slash", "dmy-dash", "long"),
    "fr": ("dmy-slash", "dmy-dot", "long"),
    "de": ("dmy-dot", "long"),
    "en": ("iso", "long", "month-first"),
}
NUMBER_SCHEMES = (
    "{year}-{n:04d}",
    "INV-{year}-{n:05d}",
    "F{yy}{n:05d}",
    "{n:06d}",
    "RE{year}{month:02d}{n:03d}",
    "{n}/{year}",
    "VF-{n:06d}",
    "{yy}{month:02d}-{n:03d}",
)
CURRENCY_STYLES = ("sign-before", "code-after", "code-before")


def draw_vendors(rng: Random) -> list[Vendor]:
    """Every vendor of the pool in a random order, each with a style of its own."""
    pool = list(names.VENDORS)
    rng.shuffle(pool)
    return [_vendor(rng, *row) for row in pool]


def _language(country: str, name: str) -> str:
    """Belgium and Switzerland have two; the company's legal form tells which one it writes."""
    choices = names.LANGUAGES[country]
    if len(choices) == 1:
        return choices[0]
    return "fr" if name.endswith(names.FRENCH_SPEAKING) else choices[0]


def _vendor(rng: Random, name: str, country: str, city: str) -> Vendor:
    language = _language(country, name)
    style = Style(
        layout=rng.choice(LAYOUTS),
        language=language,
        date_format=rng.choice(DATE_FORMATS[language]),
        decimal_comma=language != "en" and country != "CH",
        currency_style=rng.choice(CURRENCY_STYLES),
        number_scheme=rng.choice(NUMBER_SCHEMES),
        shows_iban=rng.random() < 0.7,
    )
    return Vendor(
        name=name,
        country=country,
        city=city,
        iban=identifiers.iban(country, rng),
        vat_id=identifiers.vat_id(country, rng),
        currency=names.CURRENCIES.get(country, "EUR"),
        style=style,
        next_number=rng.randrange(11, 900),
    )
