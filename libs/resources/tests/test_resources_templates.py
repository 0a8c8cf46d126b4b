"""Templates: typed values, text, nesting, escapes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.resources.expressions import ExpressionError
from quarterdeck.resources.templates import (
    as_text,
    compile_condition,
    compile_template,
    holds,
    names_used,
    render,
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${x.n}", 3),
        ("${ x.list }", [1, "two"]),
        (" ${x.n}", " 3"),
        ("n=${x.n}, list=${x.list}, none=${x.none}", 'n=3, list=[1,"two"], none=null'),
        ({"a": ["${x.n}", {"b": "<${x.s}>"}], "${x.n}": 1}, {"a": [3, {"b": "<text>"}], "${x.n}": 1}),
        ("$${x.n} costs $5 and ${x.n}$", "${x.n} costs $5 and 3$"),
        ("$$${x.n}", "$${x.n}"),
        ("${ {'k': '}'}['k'] }", "}"),
        ("""${"a\\"}" + 'b'}""", 'a"}b'),
        ("${r'a}b'}", "a}b"),
        ("${'''it's}'''}", "it's}"),
        (7, 7),
    ],
)
def test_rendering(template: Any, expected: Any) -> None:
    bindings = {"x": {"n": 3, "s": "text", "list": [1, "two"], "none": None}}
    assert render(template, bindings) == expected


@given(JSON)
def test_a_value_bound_to_a_whole_string_comes_out_unchanged(value: Any) -> None:
    assert render("${x}", {"x": value}) == value
    assert render({"a": ["${x}"]}, {"x": value}) == {"a": [value]}


@given(JSON)
def test_a_value_in_text_is_its_json(value: Any) -> None:
    text = render("<${x}>", {"x": value})
    inner = text.removeprefix("<").removesuffix(">")
    assert inner == value if isinstance(value, str) else json.loads(inner) == value
    assert inner == as_text(value)


@given(st.text())
def test_any_text_survives_escaping(text: str) -> None:
    escaped = text.replace("${", "$${")
    if "${" not in text:
        assert compile_template(escaped).constant
    assert render(escaped, {}) == text or text.count("$") > 1


@given(JSON.filter(lambda value: "${" not in json.dumps(value)))
def test_what_has_no_expression_is_returned_as_it_is(value: Any) -> None:
    template = compile_template(value)
    assert template.constant
    assert template.render({}) is value


def test_errors_say_where_in_the_template() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template({"a": [{"b": "x ${1 +}"}]})
    assert caught.value.path == "a[0].b"
    with pytest.raises(ExpressionError) as caught:
        render({"a": ["${x.nothing}"]}, {"x": {}})
    assert caught.value.path == "a[0]"
    with pytest.raises(ExpressionError, match="not closed"):
        compile_template("${x")
    with pytest.raises(ExpressionError, match="string literal is not closed"):
        compile_template("${'x}")


def test_names_used() -> None:
    used = names_used({"a": "${nodes.fetch.output + nodes['match-one'].output}", "b": "${input.x}${run.id}"})
    assert used.roots == {"nodes", "input", "run"}
    assert used.nodes == {"fetch", "match-one"}
    assert not used.all_nodes
    assert names_used("${nodes[input.which]}").all_nodes
    assert names_used("${input.list.exists(nodes, nodes.x)}").roots == {"input"}


@pytest.mark.parametrize("text", ["true", "${true} ", "${'text'}", "${x}${y}"])
def test_a_condition_is_one_boolean_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_condition(text)


def test_a_condition_that_is_not_boolean_fails_closed() -> None:
    assert holds(compile_condition("${x.ok}"), {"x": {"ok": True}}) is True
    for x in ({"ok": "yes"}, {"ok": 1}, {}):
        with pytest.raises(ExpressionError):
            holds(compile_condition("${x.ok}"), {"x": x})
