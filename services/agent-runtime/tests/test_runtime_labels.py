"""Labels of runs and selectors over them: the rule is that of objects."""

import re

import pytest

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.selectors import MAX_LABEL_KEY, MAX_LABEL_VALUE
from quarterdeck.resources.metadata import LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN
from quarterdeck.runtime.bounds import check_labels
from quarterdeck.runtime.rpcs.translate import label_tests
from quarterdeck.runtime.store.runs import LabelTest

NAMES = ["a", "team", "quarterdeck.dev/rerun-of", "A_b.c", "x" * 317]
NO_NAMES = ["", "-a", "a b", "a/b/c", "/a", "UPPER.example/a", "ü", "a\n", "x" * 318, "a=b", "!!"]
VALUES = ["", "7", "01a1fec5-73e5-705e-90c0-955ac5c05181", "v" * 63]
NO_VALUES = ["-", "a b", "ü", "a/b", "x\n", "v" * 64, "$" * 3]


def fits(pattern: str, limit: int, text: str) -> bool:
    return len(text) <= limit and re.fullmatch(pattern.strip("^$"), text) is not None


@pytest.mark.parametrize("name", NAMES)
def test_names_that_objects_have(name):
    check_labels({name: "v"})
    assert fits(LABEL_KEY_PATTERN, MAX_LABEL_KEY, name)


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_objects_may_not_have(name):
    with pytest.raises(InvalidArgument, match="label") as refused:
        check_labels({"good": "1", name: "v"})
    assert refused.value.field == "labels"
    assert not fits(LABEL_KEY_PATTERN, MAX_LABEL_KEY, name)


@pytest.mark.parametrize("value", VALUES)
def test_values_that_objects_have(value):
    check_labels({"a": value})
    assert fits(LABEL_VALUE_PATTERN, MAX_LABEL_VALUE, value)


@pytest.mark.parametrize("value", NO_VALUES)
def test_values_that_objects_may_not_have(value):
    with pytest.raises(InvalidArgument) as refused:
        check_labels({"a": value})
    assert refused.value.field == "labels.a"
    assert not fits(LABEL_VALUE_PATTERN, MAX_LABEL_VALUE, value)


def test_selectors_become_tests_of_rows():
    assert label_tests("") == []
    assert label_tests("a=1, b!=2,c in (y, x),d notin (z),e,!f,g=") == [
        LabelTest("a", ["1"]),
        LabelTest("b", ["2"], True),
        LabelTest("c", ["x", "y"]),
        LabelTest("d", ["z"], True),
        LabelTest("e", []),
        LabelTest("f", [], True),
        LabelTest("g", [""]),
    ]


@pytest.mark.parametrize("selector", ["!!", "a==", "a=b=c", "a in b", "=", "a,,b", "a b", "-a=1"])
def test_what_is_no_selector_of_runs(selector):
    with pytest.raises(InvalidArgument) as refused:
        label_tests(selector)
    assert refused.value.field == "labelSelector" and refused.value.hint
