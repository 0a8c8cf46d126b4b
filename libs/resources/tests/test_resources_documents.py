from __future__ import annotations

import time
from typing import Any

import pytest

from quarterdeck.resources.documents import MOST_VIOLATIONS, UnusableSchema, find_violations
from quarterdeck.resources.validation.json_schemas import schema_errors


def places(document: Any, schema: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    return [(found.path, found.message) for found in find_violations(document, schema)]


def doubling(levels: int) -> dict[str, Any]:
    """A schema of a few lines whose every level is looked at twice as often as the one above."""
    parts = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**parts, f"a{levels}": {"type": "string"}}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_places_are_named_in_order() -> None:
    schema = {"properties": {"b": {"items": {"type": "string"}}, "a": {"type": "string"}}}
    assert places({"a": 1, "b": [1, "x", 2]}, schema) == [
        (("a",), "1 is not of type 'string'"),
        (("b", 0), "1 is not of type 'string'"),
        (("b", 2), "2 is not of type 'string'"),
    ]
    assert places({"a": "x"}, schema) == []


def test_fields_that_are_not_there_are_named() -> None:
    schema = {"properties": {"a": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False}
    assert places({"a": 1, "x-b": 2}, schema) == []
    assert places({"c": 1, "b": 2}, schema) == [((), "no such field: 'b', 'c'")]
    typed = {"additionalProperties": {"type": "integer"}}
    assert places({"a": "x"}, typed) == [(("a",), "'x' is not of type 'integer'")]


def test_patterns_apply_to_values_and_keys() -> None:
    schema = {"patternProperties": {"^n": {"type": "string", "pattern": r"^\d+$"}}}
    assert places({"n": "12", "other": "x"}, schema) == []
    assert [path for path, _ in places({"n": "x"}, schema)] == [("n",)]


@pytest.mark.parametrize(
    ("items", "fits"),
    [([1, 2], True), ([1, 1.0], False), ([1, True], True), ([{"a": [1]}, {"a": [1.0]}], False)],
)
def test_equal_items(items: list[Any], fits: bool) -> None:
    assert (places(items, {"uniqueItems": True}) == []) is fits


def test_formats_are_checked_when_asked_for() -> None:
    schema = {"format": "date"}
    assert find_violations("tomorrow", schema) == []
    assert len(find_violations("tomorrow", schema, formats=True)) == 1


def test_messages_and_their_number_are_bounded() -> None:
    found = places(["x" * 10_000] * 1000, {"items": {"type": "integer"}})
    assert len(found) == MOST_VIOLATIONS
    assert max(len(message) for _, message in found) < 400


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "#"}, "refers to itself without end"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "refers to itself without end"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema.json"}, "leads nowhere"),
        ({"type": "text"}, "not a JSON Schema"),
        ({"pattern": "(?=a)"}, "cannot be used"),
        (doubling(40), "too many steps"),
    ],
)
def test_schemas_that_cannot_be_used(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableSchema, match=reason):
        find_violations("text", schema)


@pytest.mark.parametrize(
    ("document", "schema"),
    [
        ("a" * 50_000 + "!", {"pattern": "^(a|a)+$"}),
        ({"a" * 5_000 + "!": 1}, {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}),
        ([{"n": n} for n in range(20_000)], {"uniqueItems": True}),
        (nested(100), {"properties": {"a": {"$ref": "#"}}}),
    ],
)
def test_nothing_takes_for_ever(document: Any, schema: dict[str, Any]) -> None:
    began = time.perf_counter()
    find_violations(document, schema)
    assert time.perf_counter() - began < 5


def test_large_honest_documents_are_worth_their_steps() -> None:
    item = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    assert places([{"id": n} for n in range(5_000)], {"type": "array", "items": item}) == []


def test_a_manifest_is_told_where_its_schema_is_wrong() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "patternProperties": {"(": {}},
        "$ref": "other.json",
    }
    assert {error.path: error.message for error in schema_errors(schema)} == {
        "$ref": "only references inside the schema (#/…) are allowed",
        "properties.a.$ref": "#/$defs/b leads nowhere",
        "patternProperties['(']": "the pattern '(' cannot be used: missing ): (",
    }
    assert list(schema_errors({"$defs": {"x": {"$anchor": "here"}}, "$ref": "#here"})) == []
