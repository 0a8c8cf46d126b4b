from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.common import codec
from quarterdeck.common.constants import MAX_JSON_DEPTH
from quarterdeck.common.errors import InvalidArgument


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("depth", "deep"), [(0, False), (MAX_JSON_DEPTH, False), (MAX_JSON_DEPTH + 1, True), (200, True)]
)
def test_depth(depth: int, deep: bool) -> None:
    assert codec.is_deep(codec.dumps(nested(depth))) is deep


def test_brackets_in_text_are_no_depth() -> None:
    assert not codec.is_deep(codec.dumps(["[{" * 500] * 300))


def test_a_value_that_was_taken_in_can_be_put_into_others_and_read_again() -> None:
    deepest = codec.loads_field(codec.dumps(nested(MAX_JSON_DEPTH)), "input")
    around = nested(50)
    assert codec.loads(codec.dumps([around, {"input": {"output": deepest}}])) is not None


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"[" * 150 + b"]" * 150, "nested deeper"), (b"[" * 5000, "not valid JSON"), (b"NaN", "not valid JSON")],
)
def test_a_field_is_refused_by_its_name(data: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        codec.loads_field(data, "input")
    assert caught.value.field == "input"


def test_an_empty_field_is_none() -> None:
    assert codec.loads_field(b"", "input") is None
