"""Account numbers and payment references with valid check digits."""

from __future__ import annotations

from random import Random

BBAN_LENGTH = {"BE": 12, "NL": 14, "DE": 18, "FR": 23, "IE": 18, "GB": 18, "CH": 17}
LETTER_BANKS = ("NL", "IE", "GB")


def _as_digits(text: str) -> int:
    return int("".join(str(int(char, 36)) for char in text))


def iban(country: str, rng: Random) -> str:
    """An IBAN with right check digits; empty for a country without them (US)."""
    if country not in BBAN_LENGTH:
        return ""
    bank = "QDXB" if country in LETTER_BANKS else ""
    body = bank + "".join(rng.choice("0123456789") for _ in range(BBAN_LENGTH[country] - len(bank)))
    if country == "BE":
        body = body[:10] + f"{int(body[:10]) % 97 or 97:02d}"
    return f"{country}{98 - _as_digits(body + country + '00') % 97:02d}{body}"


def belgian_reference(rng: Random) -> str:
    """A structured communication: twelve digits, the last two a check, as ``+++123/4567/89012+++``."""
    base = rng.randrange(10**9, 10**10)
    digits = f"{base}{base % 97 or 97:02d}"
    return f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"


def creditor_reference(rng: Random) -> str:
    """An ISO 11649 creditor reference: ``RF``, two check digits, eleven digits."""
    body = "".join(rng.choice("0123456789") for _ in range(11))
    return f"RF{98 - _as_digits(body + 'RF00') % 97:02d}{body}"


def vat_id(country: str, rng: Random) -> str:
    """A tax number of the right look for the country."""
    return f"{country}{rng.randrange(10**9, 10**10)}"
