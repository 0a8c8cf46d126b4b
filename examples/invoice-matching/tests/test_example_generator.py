from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from generate.identifiers import belgian_reference, creditor_reference, iban
from generate.labels import write_date, write_number
from generate.model import Style
from generate.month import make_month
from generate.write import write_month
from servers.pdf_text import read_pdf


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_committed_month_is_what_the_generator_makes(committed: Path, generated: Path) -> None:
    assert content(generated) == content(committed)


def test_another_seed_makes_another_month(tmp_path: Path, committed: Path) -> None:
    write_month(make_month(8, date(2025, 1, 1)), tmp_path)
    assert (tmp_path / "statement.xml").read_bytes() != (committed / "statement.xml").read_bytes()


def test_the_month_has_the_promised_size_and_variety(committed: Path) -> None:
    key = json.loads((committed / "answer-key.json").read_text())
    assert len(key["transactions"]) >= 200
    assert 170 <= len(key["invoices"]) <= 190
    assert {i["layout"] for i in key["invoices"].values()} == {
        "classic",
        "boxed",
        "letter",
        "sidebar",
        "slip",
    }
    assert {i["language"] for i in key["invoices"].values()} == {"nl", "fr", "de", "en"}
    assert {i["currency"] for i in key["invoices"].values()} > {"EUR", "USD"}
    assert len(key["copies"]) == 4
    assert sum(map(len, content(committed).values())) < 2_000_000


def test_every_hard_case_is_there(committed: Path) -> None:
    kinds = {
        t["kind"] for t in json.loads((committed / "answer-key.json").read_text())["transactions"].values()
    }
    assert kinds >= {
        "partial-payment",
        "several-invoices",
        "missing-reference",
        "misspelt-vendor",
        "duplicate-invoice",
        "duplicate-payment",
        "no-invoice",
        "wrong-reference",
        "equal-amounts-unreferenced",
        "reversed",
        "charges",
        "foreign-currency",
        "batch",
        "cash-discount",
    }


def test_every_pdf_has_its_number_as_text_and_names_no_other_vendor(committed: Path) -> None:
    key = json.loads((committed / "answer-key.json").read_text())
    vendors = {i["vendor"] for i in key["invoices"].values()}
    for name, invoice in key["invoices"].items():
        text = read_pdf(committed / "invoices" / name)
        assert invoice["number"] in text
        assert {v for v in vendors if v in text} == {invoice["vendor"]}


@pytest.mark.parametrize("country", ["BE", "NL", "DE", "FR", "IE", "GB", "CH"])
def test_ibans_have_right_check_digits(country: str) -> None:
    from random import Random

    number = iban(country, Random(3))
    rearranged = "".join(str(int(char, 36)) for char in number[4:] + number[:4])
    assert int(rearranged) % 97 == 1


def test_references_have_right_check_digits() -> None:
    from random import Random

    digits = "".join(char for char in belgian_reference(Random(3)) if char.isdigit())
    assert int(digits[:10]) % 97 in {int(digits[10:]), 0}
    reference = creditor_reference(Random(3))
    assert int("".join(str(int(char, 36)) for char in reference[4:] + reference[:4])) % 97 == 1


@pytest.mark.parametrize(
    ("language", "form", "expected"),
    [
        ("nl", "long", "3 maart 2025"),
        ("de", "long", "3. März 2025"),
        ("fr", "dmy-slash", "03/03/2025"),
        ("en", "month-first", "Mar 3, 2025"),
    ],
)
def test_dates_are_written_the_vendors_way(language: str, form: str, expected: str) -> None:
    style = Style("classic", language, form, True, "code-after", "{n}", True)
    assert write_date(date(2025, 3, 3), style) == expected


@pytest.mark.parametrize(
    ("language", "comma", "expected"),
    [("nl", True, "1.234,56"), ("fr", True, "1 234,56"), ("en", False, "1,234.56")],
)
def test_amounts_are_written_the_vendors_way(language: str, comma: bool, expected: str) -> None:
    assert (
        write_number(123456, Style("classic", language, "iso", comma, "code-after", "{n}", True)) == expected
    )
