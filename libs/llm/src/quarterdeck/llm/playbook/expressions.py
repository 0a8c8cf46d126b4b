"""CEL and templates for playbooks: the project's expressions, with a playbook's names and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from quarterdeck.llm.errors import PlaybookFailed, PlaybookInvalid
from quarterdeck.llm.playbook.convert import days_between
from quarterdeck.llm.playbook.text import normalise, similarity
from quarterdeck.llm.types import JsonValue
from quarterdeck.resources.cel_environment import DOUBLE, DYN, INT, STRING, CelType, Function
from quarterdeck.resources.cel_paths import NAMESPACES, TYPE_NAMES
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.expressions import Expression, compile_expression
from quarterdeck.resources.templates import compile_template

Evaluate = Callable[[Mapping[str, Any]], JsonValue]
"""A compiled piece of a document: from bindings to a value."""

CEL_FUNCTIONS = (
    Function("similarity", (STRING, STRING), DOUBLE, similarity),
    Function("normalise", (STRING,), STRING, normalise),
    Function("daysBetween", (STRING, STRING), INT, days_between),
)
"""What expressions of a playbook may call beyond CEL's own functions."""


@dataclass(frozen=True)
class Scope:
    """The names an expression may use, with their types, and the fields of `extracted` known by then."""

    names: Mapping[str, CelType]
    fields: frozenset[str] = frozenset()

    def is_free(self, name: str) -> bool:
        """Whether `let` may give a value this name."""
        if name in self.names or name in NAMESPACES | TYPE_NAMES:
            return False
        try:
            compile_expression(name, {name: DYN})
        except ExpressionError:
            return False
        return True

    def with_names(self, *names: str) -> Scope:
        """The scope with more names of any type."""
        return replace(self, names={**self.names, **dict.fromkeys(names, DYN)})

    def with_fields(self, fields: Iterable[str]) -> Scope:
        """The scope with more fields of `extracted`."""
        return replace(self, fields=self.fields | frozenset(fields))


def compile_cel(text: str, path: str, scope: Scope) -> Evaluate:
    """Compile one expression, with or without `${…}` around it."""
    stripped = text.strip()
    if stripped.startswith("${") and stripped.endswith("}"):
        stripped = stripped[2:-1]
    try:
        expression = compile_expression(stripped, scope.names, CEL_FUNCTIONS)
    except ExpressionError as problem:
        raise PlaybookInvalid(str(problem), path=path) from problem
    _check_fields(expression, path, scope)
    return _guarded(expression.evaluate, path)


def compile_text(value: JsonValue, path: str, scope: Scope) -> Evaluate:
    """Compile any value in whose strings `${…}` stands for values."""
    try:
        template = compile_template(value, scope.names, CEL_FUNCTIONS)
    except ExpressionError as problem:
        raise PlaybookInvalid(str(problem), path=_join(path, problem.path)) from problem
    for located in template.expressions:
        _check_fields(located.expression, _join(path, located.path), scope)
    return _guarded(template.render, path)


def _check_fields(expression: Expression, path: str, scope: Scope) -> None:
    for used in expression.paths:
        if used[0] == "extracted" and len(used) > 1 and used[1] not in scope.fields:
            known = ", ".join(sorted(scope.fields)) or "nothing"
            raise PlaybookInvalid(
                f"nothing extracts the field {used[1]!r}", path=path, hint=f"known: {known}"
            )


def _guarded(evaluate: Evaluate, path: str) -> Evaluate:
    def guarded(bindings: Mapping[str, Any]) -> JsonValue:
        try:
            return evaluate(bindings)
        except ExpressionError as problem:
            raise PlaybookFailed(f"{_join(path, problem.path)}: {problem}") from problem

    return guarded


def _join(path: str, inner: str) -> str:
    return f"{path}{'' if inner.startswith('[') or not inner else '.'}{inner}"
