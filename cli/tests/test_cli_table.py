"""Tables, cells, ages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck.cli.table import Column, age, cell, duration, lookup, render


def test_cells_stand_below_each_other_and_wide_ones_are_left_out() -> None:
    columns = [
        Column("NAME", "metadata.name"),
        Column("SIZE", lambda item: item["size"]),
        Column("W", "w", wide=True),
    ]
    items: list[dict[str, Any]] = [
        {"metadata": {"name": "a"}, "size": 1},
        {"metadata": {"name": "longer"}, "size": None, "w": [1, 2]},
    ]
    assert render(columns, items) == ["NAME     SIZE", "a        1", "longer   -"]
    assert render(columns, items, wide=True)[2] == "longer   -      1,2"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("", "-"), ({}, "-"), (0, "0"), (False, "false"), ({"a": 1}, "a=1"), ("a\nb", "a b")],
)
def test_a_value_is_one_short_line(value: object, text: str) -> None:
    assert cell(value) == text


def test_long_text_is_cut() -> None:
    assert len(cell("x" * 500)) == 80
    assert cell("x" * 500).endswith("…")
    whole = Column("MESSAGE", "message", longest=500)
    assert whole.text({"message": "x" * 500}) == "x" * 500


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5s"), (119, "119s"), (125, "2m5s"), (1800, "30m"), (7200, "2h"), (200_000, "2d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_age_of_what_is_no_time_is_a_dash() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert age("2026-01-01T00:00:00Z", now) == "60s"
    assert age(None) == age("yesterday") == "-"


def test_a_path_that_leads_nowhere_is_none() -> None:
    assert lookup({"a": {"b": 1}}, "a.b") == 1
    assert lookup({"a": 5}, "a.b.c") is None
