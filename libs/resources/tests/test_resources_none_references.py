"""Evaluating expressions that give nulls must not take references away from None."""

import sys

from quarterdeck.resources.expressions import compile_expression


def test_nulls_keep_the_reference_count_of_none():
    expression = compile_expression('{"a": null, "b": [1, null, {"c": null}], "d": input.x}')
    bindings = {"input": {"x": {"y": None, "z": [None]}}}
    expression.evaluate(bindings)
    before = sys.getrefcount(None)
    for _ in range(2000):
        expression.evaluate(bindings)
    assert sys.getrefcount(None) > before - 500
