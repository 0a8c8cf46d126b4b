"""The functions of a playbook: reading numbers and dates, comparing, choosing, adding up."""

import time
from typing import Any

import pytest

from quarterdeck.llm.errors import PlaybookFailed
from quarterdeck.llm.playbook import convert
from quarterdeck.llm.playbook.document import ExtractField
from quarterdeck.llm.playbook.expressions import Scope
from quarterdeck.llm.playbook.extraction import compile_field
from quarterdeck.llm.playbook.subsets import find_subsets
from quarterdeck.llm.playbook.text import normalise, similarity
from quarterdeck.llm.playbook.values import compile_value

ROWS: list[dict[str, Any]] = [
    {"n": "b", "v": 2},
    {"n": "a", "v": 3},
    {"n": "c", "v": None},
    {"n": "d", "v": 3},
]


def value_of(value: Any, **names: Any) -> Any:
    """The value of a piece of a document."""
    return compile_value(value, "here", Scope({}).with_names(*names))(names)


def find(text: str, **field: Any) -> Any:
    return compile_field(ExtractField.model_validate(field), "here").find(text)


@pytest.mark.parametrize(
    ("text", "mark", "expected"),
    [
        ("EUR 1.234,56", "auto", 1234.56),
        ("$1,234.56", "auto", 1234.56),
        ("1 234,56 €", "auto", 1234.56),
        ("1\u202f234,56", "auto", 1234.56),
        ("CHF 1'234.50", "auto", 1234.5),
        ("1.234.567", "auto", 1234567.0),
        ("1.234", "auto", 1234.0),
        ("0.125", "auto", 0.125),
        ("12,5", "auto", 12.5),
        ("12.50", "auto", 12.5),
        ("1.234", "point", 1.234),
        ("1,234", "comma", 1.234),
        ("1.234,5", "comma", 1234.5),
        ("-17,00", "auto", -17.0),
        ("17,00-", "auto", -17.0),
        ("(17,00)", "auto", -17.0),
        ("total: 5.", "auto", 5.0),
        ("none", "auto", None),
    ],
)
def test_numbers_as_people_write_them(text: str, mark: convert.DecimalMark, expected: float | None) -> None:
    assert convert.parse_number(text, mark) == expected


def test_cents_are_exact() -> None:
    assert convert.parse_cents("1.234,56") == 123456
    assert value_of({"$cents": {"text": 0.29}}) == 29
    assert value_of({"$cents": {"text": None}}) is None


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("31.01.2025", "%d.%m.%Y", "2025-01-31"),
        ("1 March 2025", "%d %B %Y", "2025-03-01"),
        ("1. März 2025", "%d. %B %Y", "2025-03-01"),
        ("1 févr. 2025", "%d %b %Y", "2025-02-01"),
        ("Dec 24, 2025", "%b %d, %Y", "2025-12-24"),
        ("3  mei   2025", "%d %B %Y", "2025-05-03"),
        ("20250131", "%Y%m%d", "2025-01-31"),
        ("31.02.2025", "%d.%m.%Y", None),
        ("soon", "%d %B %Y", None),
    ],
)
def test_dates_as_people_write_them(text: str, form: str, expected: str | None) -> None:
    assert convert.parse_date(text, [form]) == expected


def test_the_first_format_that_fits_is_taken() -> None:
    assert convert.parse_date("02/03/2025", ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"]) == "2025-03-02"


def test_days() -> None:
    assert value_of({"$days": {"start": "2024-02-28", "end": "2024-03-01T10:00:00Z"}}) == 2
    assert value_of({"$days": {"start": "2025-01-10", "end": "2025-01-01"}}) == -9
    assert value_of({"$days": {"start": None, "end": "2025-01-01"}}) is None
    assert value_of({"$addDays": {"start": "2025-01-31", "days": 1}}) == "2025-02-01"
    assert value_of({"$addDays": {"start": "never", "days": 1}}) is None


def test_the_first_readable_match_wins() -> None:
    assert (
        find("due: soon\ndue: 31.01.2025", patterns=[r"due: (\S+)"], type="date", formats=["%d.%m.%Y"])
        == "2025-01-31"
    )
    assert find("b: 2\na: 1", patterns=["a: (.)", "b: (.)"], type="integer") == 1
    assert find("x: 2,5", patterns=["x: (.*)"], type="integer") is None
    assert find("nr 5 (five)", patterns=[r"nr (\d) \((?P<value>\w+)\)"]) == "five"
    assert find("Total  9", patterns=["total"]) == "Total"
    assert find("nothing", patterns=["x"]) is None


def test_every_match() -> None:
    lines = "Bolt   1,50\nNut   0,25\nno price"
    pattern = r"^(?P<what>\w+)\s{2,}(?P<price>[\d,]+)$"
    assert find(lines, patterns=["zzz", pattern], all=True, groups={"price": "number"}) == [
        {"what": "Bolt", "price": 1.5},
        {"what": "Nut", "price": 0.25},
    ]
    assert find(lines, patterns=[r"\d+,\d+"], all=True, type="cents") == [150, 25]
    assert find(lines, patterns=["zzz"], all=True) == []


def test_extract_as_a_function() -> None:
    step = {
        "$each": {
            "items": "${texts}",
            "value": {"$extract": {"from": "${item}", "patterns": [r"\d+"], "type": "integer"}},
        }
    }
    assert value_of(step, texts=["a 1", "none", "b 22"]) == [1, None, 22]


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ("Möller & Söhne GmbH", "MOLLER SOHNE GMBH", 1.0, 1.0),
        ("Jansen, Piet", "Piet Jansen", 1.0, 1.0),
        ("Fietsenwinkel de Boer", "Fietswinkel de Boer", 0.9, 1.0),
        ("Acme Ltd", "Zenith Corp", 0.0, 0.4),
        ("", "", 0.0, 0.0),
        ("Straße", "strasse", 1.0, 1.0),
    ],
)
def test_similarity(first: str, second: str, low: float, high: float) -> None:
    assert low <= similarity(first, second) <= high
    assert similarity(first, second) == similarity(second, first)


def test_normalise() -> None:
    assert normalise("  A.B.  Söhne,\nKG ") == "a b sohne kg"
    assert value_of({"$normalise": {"text": None}}) == ""
    assert value_of({"$similarity": {"a": None, "b": "x"}}) == 0.0


def test_rounding_and_fixing() -> None:
    assert value_of({"$round": {"number": 2.675, "digits": 2}}) == 2.68
    assert value_of({"$round": {"number": -2.5}}) == -3.0
    assert value_of({"$round": {"number": None}}) is None
    assert value_of({"$fixed": {"number": 12.5}}) == "12.50"


def test_each_with_let_where_and_index() -> None:
    step = {
        "$each": {
            "items": "${rows}",
            "let": {"twice": "${item.v * 2}", "label": "${item.n}${index}"},
            "where": "item.v != 3 || index > 2",
            "value": {"label": "${label}", "twice": "${twice}"},
        }
    }
    rows = [row for row in ROWS if row["v"]]
    assert value_of(step, rows=[*rows, ROWS[1]]) == [
        {"label": "b0", "twice": 4},
        {"label": "a3", "twice": 6},
    ]


def test_sorting_and_choosing() -> None:
    def names(rows: list[dict[str, Any]]) -> str:
        return "".join(row["n"] for row in rows)

    assert names(value_of({"$sort": {"items": "${rows}", "by": "item.v"}}, rows=ROWS)) == "badc"
    assert (
        names(value_of({"$sort": {"items": "${rows}", "by": "item.v", "descending": True}}, rows=ROWS))
        == "adbc"
    )
    assert names(value_of({"$sort": {"items": "${rows}", "by": "item.n", "limit": 2}}, rows=ROWS)) == "ab"
    assert value_of({"$best": {"items": "${rows}", "by": "item.v"}}, rows=ROWS)["n"] == "a"
    assert value_of({"$best": {"items": None, "by": "item"}}) is None
    with pytest.raises(PlaybookFailed, match="cannot be compared"):
        value_of({"$sort": {"items": [1, "a"], "by": "item"}})


def test_adding_joining_and_uniqueness() -> None:
    assert value_of({"$sum": {"items": [1, 2]}}) == 3
    assert value_of({"$sum": {"items": [0.1] * 10}}) == 1.0
    assert value_of({"$sum": {"items": "${rows}", "of": "item.v == null ? 0 : item.v"}}, rows=ROWS) == 8
    assert value_of({"$sum": {"items": None}}) == 0
    assert [row["n"] for row in value_of({"$unique": {"items": "${rows}", "by": "item.v"}}, rows=ROWS)] == [
        "b",
        "a",
        "c",
    ]
    assert value_of({"$merge": {"maps": [{"a": 1, "b": 1}, None, {"b": 2}]}}) == {"a": 1, "b": 2}
    with pytest.raises(PlaybookFailed, match="not every value is a number"):
        value_of({"$sum": {"items": ["1"]}})


def test_subsets() -> None:
    step = {"$subsets": {"items": "${rows}", "amount": "item.a", "target": "${t}", "tolerance": 0.01}}
    rows = [{"a": 10.10}, {"a": 20.20}, {"a": 30.30}, {"a": 5.05}]
    assert value_of(step, rows=rows, t=30.30) == [[rows[0], rows[1]]]
    assert value_of(step, rows=rows, t=35.35) == [[rows[2], rows[3]], [rows[0], rows[1], rows[3]]]
    assert value_of(step, rows=rows, t=1.0) == []
    assert value_of(step, rows=rows, t=None) == []
    assert find_subsets([5, -3, 2], 4) == [(0, 1, 2)]
    assert find_subsets([], 0) == []


def test_a_search_without_end_is_given_up_quickly() -> None:
    step = {"$subsets": {"items": "${rows}", "amount": "item", "target": 1e9, "largest": 30}}
    began = time.perf_counter()
    with pytest.raises(PlaybookFailed, match="too many combinations"):
        value_of(step, rows=[float(number + 1) for number in range(60)])
    assert time.perf_counter() - began < 1.0
    with pytest.raises(PlaybookFailed, match="at most 64"):
        value_of(step, rows=[1.0] * 65)


def test_cel_has_the_text_functions() -> None:
    assert value_of("${similarity('Söhne', 'sohne') == 1.0 && normalise('A-B') == 'a b'}") is True
    assert value_of("${daysBetween('2025-01-01', '2025-02-01')}") == 31
    with pytest.raises(PlaybookFailed):
        value_of("${daysBetween('soon', '2025-02-01')}")


def test_too_many_items_are_refused() -> None:
    with pytest.raises(PlaybookFailed, match="at most 1000"):
        value_of({"$unique": {"items": "${rows}"}}, rows=list(range(1001)))
