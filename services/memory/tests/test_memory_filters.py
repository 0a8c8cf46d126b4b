"""The filter language: what it refuses, and what it finds compared with reading every payload."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.conditions import Condition, decode, encode
from quarterdeck.memory.engine.interface import CollectionKey, Point, Shape
from quarterdeck.memory.filters import parse_filter
from quarterdeck.memory.payload import FieldType, Times, document, engine_indexes

SCHEMA: dict[str, FieldType] = {
    "vendor": "keyword",
    "amount": "float",
    "number": "integer",
    "matched": "bool",
    "note": "text",
    "due": "datetime",
    "ref": "uuid",
}
VALUES: dict[str, list[Any]] = {
    "vendor": ["SNCB", "NS", "De Lijn", "", "ns"],
    "amount": [-1.5, 0.0, 0.1, 22.7, 22.70001, 1e12, 7],
    "number": [-3, 0, 3, 4, 2**53 - 1],
    "matched": [True, False],
    "note": ["paid late", "Late, but paid", "never", "PAID in full 2025"],
    "due": [
        "2025-01-02T22:00:00Z",
        "2025-01-03T00:00:00+02:00",
        "2025-01-02T22:00:00.000001Z",
        "2024-12-31T23:59:59.999999-05:00",
    ],
    "ref": ["0190163d-8694-739b-aea5-966c26f8ad91", "0190163D-8694-739B-AEA5-966C26F8AD92"],
}
WORDS = ["paid", "late", "never", "in full", "2025", "lat"]
payloads = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[name]) for name in VALUES})


def field_tests(name: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(WORDS if name == "note" else VALUES[name])
    options = [values, st.none(), st.lists(values, min_size=1, max_size=3).map(lambda v: {"in": v})]
    if name in {"amount", "number", "due"}:
        bounds = values
        if name != "due":
            bounds = values | st.sampled_from([2.5, -2.5, 3, 22.7])
        ranges = st.dictionaries(st.sampled_from(["gte", "gt", "lte", "lt"]), bounds, min_size=1, max_size=3)
        options.append(ranges)
    tests = st.one_of(*options)
    return tests | tests.map(lambda test: {"not": test})


def one_field() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(sorted(SCHEMA)).flatmap(
        lambda name: field_tests(name).map(lambda test: {name: test})
    )


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda parts: {"and": parts}),
        several.map(lambda parts: {"or": parts}),
        inner.map(lambda part: {"not": part}),
        st.tuples(one_field(), inner.map(lambda part: {"not": part})).map(lambda two: {**two[0], **two[1]}),
    )


filters = st.recursive(one_field(), combined, max_leaves=6)


def holds(form: dict[str, Any], payload: dict[str, Any]) -> bool:
    """The meaning of a filter, by reading one payload."""
    return all(entry_holds(name, test, payload) for name, test in form.items())


def entry_holds(name: str, test: Any, payload: dict[str, Any]) -> bool:
    if name == "and":
        return all(holds(part, payload) for part in test)
    if name == "or":
        return any(holds(part, payload) for part in test)
    if name == "not":
        return not holds(test, payload)
    return value_holds(SCHEMA[name], test, payload.get(name))


def value_holds(kind: str, test: Any, value: Any) -> bool:
    if test is None:
        return value is None
    if not isinstance(test, dict):
        return value is not None and same(kind, value, test)
    if "not" in test:
        return not value_holds(kind, test["not"], value)
    if "in" in test:
        return value is not None and any(same(kind, value, one) for one in test["in"])
    compare = {
        "gte": lambda a, b: a >= b,
        "gt": lambda a, b: a > b,
        "lte": lambda a, b: a <= b,
        "lt": lambda a, b: a < b,
    }
    return value is not None and all(
        compare[op](ordered(kind, value), ordered(kind, bound)) for op, bound in test.items()
    )


def same(kind: str, value: Any, wanted: Any) -> bool:
    if kind == "text":
        words = set(re.findall(r"\w+", value.lower()))
        return set(re.findall(r"\w+", wanted.lower())) <= words
    if kind == "uuid":
        return uuid.UUID(value) == uuid.UUID(wanted)
    return bool(ordered(kind, value) == ordered(kind, wanted))


def ordered(kind: str, value: Any) -> Any:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if kind == "datetime" else value


class Filled:
    """An engine with a collection of many payloads, on a loop of its own."""

    def __init__(self, root: Path) -> None:
        self.runner = asyncio.Runner()
        self.engine = EdgeEngine(root)
        self.key = CollectionKey("tenant", "payloads")
        self.payloads: dict[str, dict[str, Any]] = {}
        self.runner.run(self._fill())

    async def _fill(self) -> None:
        await self.engine.open()
        await self.engine.ensure(self.key, Shape(4, engine_indexes(SCHEMA)))
        points = []
        for number, payload in enumerate(some_payloads()):
            point_id = str(uuid.UUID(int=number))
            stored = document(str(number), "x", payload, SCHEMA, Times(1.0))
            points.append(Point(point_id, array_of(number), stored))
            self.payloads[point_id] = payload
        await self.engine.upsert(self.key, points)

    def matching(self, condition: Condition) -> set[str]:
        page = self.runner.run(self.engine.scroll(self.key, condition, 1000))
        return {point.id for point in page.points}

    def close(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.close()


def array_of(number: int) -> Any:
    from array import array

    return array("f", [1.0, number % 7, number % 5, 1.0])


def some_payloads() -> list[dict[str, Any]]:
    """Every value of every field, alone and beside others, and nothing at all."""
    import random

    rolls = random.Random(7)
    alone = [{name: value} for name, values in VALUES.items() for value in values]
    mixed = [
        {name: rolls.choice(values) for name, values in VALUES.items() if rolls.random() < 0.7}
        for _ in range(60)
    ]
    return [{}, *alone, *mixed]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    filled = Filled(tmp_path_factory.mktemp("filters"))
    yield filled
    filled.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=filters)
def test_the_engine_finds_what_reading_every_payload_finds(filled: Filled, form: dict[str, Any]) -> None:
    condition = parse_filter(form, SCHEMA)
    expected = {point_id for point_id, payload in filled.payloads.items() if holds(form, payload)}
    assert filled.matching(condition) == expected


@given(form=filters)
def test_conditions_survive_the_pipe(form: dict[str, Any]) -> None:
    condition = parse_filter(form, SCHEMA)
    assert decode(encode(condition)) == condition


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ([], "filter"),
        ({"vendr": "x"}, "filter.vendr"),
        ({"amount": "much"}, "filter.amount"),
        ({"amount": {"gte": "much"}}, "filter.amount.gte"),
        ({"amount": {"above": 3}}, "filter.amount.above"),
        ({"amount": {}}, "filter.amount"),
        ({"vendor": {"gte": "a"}}, "filter.vendor.gte"),
        ({"vendor": {"in": []}}, "filter.vendor.in"),
        ({"number": {"in": [1, 2.5]}}, "filter.number.in[1]"),
        ({"matched": "true"}, "filter.matched"),
        ({"due": {"lt": "2025-01-01T00:00:00"}}, "filter.due.lt"),
        ({"note": "!"}, "filter.note"),
        ({"ref": "12"}, "filter.ref"),
        ({"or": []}, "filter.or"),
        ({"or": [{"vendor": "a"}, {"x": 1}]}, "filter.or[1].x"),
        ({"not": {"and": [{"number": {"not": "x"}}]}}, "filter.not.and[0].number.not"),
        ({"vendor": {"in": ["a"] * 257}}, "filter.vendor.in"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_path(form: Any, path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_filter(form, SCHEMA)
    assert caught.value.field == path


def test_a_filter_nested_without_end_is_refused() -> None:
    form: dict[str, Any] = {"vendor": "x"}
    for _ in range(1000):
        form = {"not": form}
    with pytest.raises(InvalidArgument, match="nested deeper"):
        parse_filter(form, SCHEMA)
