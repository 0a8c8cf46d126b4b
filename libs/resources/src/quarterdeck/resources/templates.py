"""Templates: JSON values whose strings may hold `${expression}`.

A string that is exactly one `${…}` yields the expression's own value, whatever its type. In mixed text each
value is written into the string: text as it is, everything else as compact JSON. Lists and objects are
rendered recursively; keys are never templates. `$${` is a literal `${`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.resources.cel_environment import BOOL, DYN, CelType, Function
from quarterdeck.resources.constants import MAX_VALUE_DEPTH
from quarterdeck.resources.errors import ExpressionError, join_path
from quarterdeck.resources.expressions import Expression, compile_expression
from quarterdeck.resources.template_text import Hole, split

Bindings = Mapping[str, Any]
_Renderer = Callable[[Bindings], Any]


@dataclass(frozen=True, slots=True)
class NamesUsed:
    """What a template reads.

    `roots` are variable names. `nodes` are the names in `nodes.<name>`; `all_nodes` is true when it also
    reads `nodes` in a way that does not name one (`nodes[input.which]`).
    """

    roots: frozenset[str]
    nodes: frozenset[str]
    all_nodes: bool = False


class Template:
    """A compiled template; immutable. `constant` is true when there is no expression in it."""

    __slots__ = ("_renderer", "expressions", "value")

    def __init__(self, value: Any, renderer: _Renderer | None, expressions: tuple["Located", ...]) -> None:
        self.value = value
        """What it was compiled from."""
        self.expressions = expressions
        """Every expression in it, with its path inside the template."""
        self._renderer = renderer

    @property
    def constant(self) -> bool:
        """Whether rendering always gives the same value."""
        return not self.expressions

    def render(self, bindings: Bindings) -> Any:
        """Return the value with every expression evaluated. Raises `ExpressionError` (with `path`).

        Parts without an expression are shared with the template, so do not change the result in place.
        """
        return self.value if self._renderer is None else self._renderer(bindings)


@dataclass(frozen=True, slots=True)
class Located:
    """An expression and where in its template it stands (`items[0].name`, empty for a plain string)."""

    path: str
    expression: Expression


def compile_template(
    value: Any, variables: Mapping[str, CelType] | None = None, functions: tuple[Function, ...] = ()
) -> Template:
    """Compile every `${…}` in a JSON value. Raises `ExpressionError` with its `path` on the first bad one."""
    found: list[Located] = []
    renderer = _compile(value, "", _Context(variables, functions, found), 0)
    return Template(value, renderer, tuple(found))


def render(value: Any, bindings: Bindings) -> Any:
    """Compile (expressions are cached) and render in one go."""
    return compile_template(value).render(bindings)


def compile_condition(text: str, variables: Mapping[str, CelType] | None = None) -> Expression:
    """Compile a string that must be exactly one `${…}` whose value can be true or false."""
    parts = split(text)
    if len(parts) != 1 or not isinstance(parts[0], Hole):
        raise ExpressionError("a condition is exactly one '${…}'", text, 0)
    expression = compile_expression(parts[0].text, variables)
    if expression.result_type not in (BOOL, DYN):
        raise ExpressionError(f"a condition is true or false, not a {expression.result_type}", parts[0].text)
    return expression


def holds(condition: Expression, bindings: Bindings) -> bool:
    """Evaluate a condition. Raises `ExpressionError` when it fails or is not a boolean: never guess."""
    value = condition.evaluate(bindings)
    if not isinstance(value, bool):
        raise ExpressionError(f"the condition gave {type(value).__name__}, not true or false", condition.text)
    return value


def names_used(template: Template | Any) -> NamesUsed:
    """Return the variables and nodes that a template (compiled or not) or an `Expression` reads."""
    paths = [path for expression in _expressions(template) for path in expression.paths]
    node_paths = [path for path in paths if path[0] == "nodes"]
    return NamesUsed(
        roots=frozenset(path[0] for path in paths),
        nodes=frozenset(path[1] for path in node_paths if len(path) > 1),
        all_nodes=any(len(path) == 1 for path in node_paths),
    )


def _expressions(template: Any) -> Iterator[Expression]:
    if isinstance(template, Expression):
        yield template
        return
    compiled = template if isinstance(template, Template) else compile_template(template)
    for located in compiled.expressions:
        yield located.expression


@dataclass(frozen=True, slots=True)
class _Context:
    variables: Mapping[str, CelType] | None
    functions: tuple[Function, ...]
    found: list[Located]


def _compile(value: Any, path: str, context: _Context, depth: int) -> _Renderer | None:
    """Return a renderer, or None when `value` renders to itself."""
    if isinstance(value, str):
        return _compile_text(value, path, context) if "${" in value else None
    if not isinstance(value, (dict, list)):
        return None
    if depth >= MAX_VALUE_DEPTH:
        raise ExpressionError(f"the template is nested deeper than {MAX_VALUE_DEPTH} levels", "", path=path)
    if isinstance(value, list):
        items = [_compile(item, f"{path}[{i}]", context, depth + 1) for i, item in enumerate(value)]
        return _list_renderer(value, items) if any(items) else None
    fields = {
        key: _compile(item, join_path(path, str(key)), context, depth + 1) for key, item in value.items()
    }
    return _object_renderer(value, fields) if any(fields.values()) else None


def _list_renderer(value: list[Any], items: list[_Renderer | None]) -> _Renderer:
    pairs = list(zip(value, items, strict=True))
    return lambda bindings: [render(bindings) if render else item for item, render in pairs]


def _object_renderer(value: dict[str, Any], fields: dict[str, _Renderer | None]) -> _Renderer:
    triples = [(key, value[key], render) for key, render in fields.items()]
    return lambda bindings: {key: render(bindings) if render else item for key, item, render in triples}


def _compile_text(text: str, path: str, context: _Context) -> _Renderer:
    try:
        parts = [_compile_part(part, context) for part in split(text)]
    except ExpressionError as error:
        raise _at(error, path) from None
    context.found.extend(Located(path, part) for part in parts if isinstance(part, Expression))
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return _typed_renderer(parts[0], path)
    return _text_renderer(parts, path)


def _compile_part(part: str | Hole, context: _Context) -> str | Expression:
    if isinstance(part, str):
        return part
    return compile_expression(part.text, context.variables, context.functions)


def _typed_renderer(expression: Expression, path: str) -> _Renderer:
    def render(bindings: Bindings) -> Any:
        try:
            return expression.evaluate(bindings)
        except ExpressionError as error:
            raise _at(error, path) from None

    return render


def _text_renderer(parts: list[str | Expression], path: str) -> _Renderer:
    def render(bindings: Bindings) -> str:
        try:
            return "".join(p if isinstance(p, str) else as_text(p.evaluate(bindings)) for p in parts)
        except ExpressionError as error:
            raise _at(error, path) from None

    return render


def as_text(value: Any) -> str:
    """Return how a value appears inside text: a string as it is, anything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _at(error: ExpressionError, path: str) -> ExpressionError:
    return type(error)(error.message, error.expression, error.position, join_path(path, error.path))
