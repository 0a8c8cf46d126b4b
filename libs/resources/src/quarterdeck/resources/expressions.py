"""CEL expressions: compiled once, type-checked, bounded, with every failure an exception.

The library returns a run-time error as a *truthy* value; `Expression.evaluate` turns it into
`ExpressionError`, so nobody can mistake a failed condition for a true one. Evaluation holds the interpreter,
so its cost is bounded beforehand: text, input size, input depth and estimated work (see `cel_cost`).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from quarterdeck.resources import cel_environment
from quarterdeck.resources.cel_cost import FORBIDDEN_FUNCTIONS, TooMuchWork, estimate, is_simple
from quarterdeck.resources.cel_environment import BOOL, DOUBLE, DYN, INT, LIST, MAP, STRING, CelType, Function
from quarterdeck.resources.cel_paths import (
    NAMESPACES,
    Path,
    path_of,
    paths_read,
    paths_tested,
    prune,
    shortest,
)
from quarterdeck.resources.cel_syntax import Call, Node, decode_expression, walk
from quarterdeck.resources.cel_values import BadResult, BadValue, check_input, plain, to_json
from quarterdeck.resources.constants import MAX_EXPRESSION_BYTES, MAX_EXPRESSION_WORK
from quarterdeck.resources.errors import ExpressionError, NotJson

__all__ = [
    "BOOL",
    "DOUBLE",
    "DYN",
    "INT",
    "LIST",
    "MAP",
    "STRING",
    "CelType",
    "Expression",
    "ExpressionError",
    "Function",
    "compile_expression",
]

_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
_LOCATION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_MISSING = object()


class Expression:
    """A compiled expression; immutable, so it may be shared and cached."""

    __slots__ = (
        "_compiled",
        "_error",
        "_null",
        "_own_path",
        "_simple",
        "_syntax",
        "paths",
        "result_type",
        "text",
    )

    def __init__(self, text: str, compiled: Any, syntax: Node, result_type: str) -> None:
        self.text = text
        self.paths: tuple[Path, ...] = shortest(paths_read(syntax))
        """What it reads: `("nodes", "fetch", "output")` and so on, no path below another one."""
        self.result_type = result_type
        """The CEL type of its value as far as the compiler knows; `dyn` when it does not."""
        self._compiled = compiled
        self._syntax = syntax
        self._own_path = path_of(syntax) if self.paths else None
        self._simple = is_simple(syntax)
        self._error = cel_environment.library().Type.ERROR
        self._null = cel_environment.library().Type.NULL

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def roots(self) -> frozenset[str]:
        """Names of the variables it reads."""
        return frozenset(path[0] for path in self.paths)

    def evaluate(self, bindings: Mapping[str, Any]) -> Any:
        """Return its value as plain JSON. Raises `ExpressionError` on any run-time error or passed bound.

        An expression that only names a value (`nodes.fetch.output.items`) returns that very object, whatever
        its size; do not change it.
        """
        if self._own_path:
            found = _look_up(bindings, self._own_path)
            if found is not _MISSING:
                return found
        return self._run(prune(bindings, self.paths))

    def _run(self, data: dict[str, Any]) -> Any:
        try:
            check_input(data)
            if not self._simple:
                estimate(self._syntax, data, MAX_EXPRESSION_WORK)
            value = self._compiled.eval(data=data)
            if value.type() == self._error:
                raise self._failure(str(value.plain_value()))
            return to_json(plain(value, self._null))
        except TooMuchWork:
            raise self._failure("it would take too much work on input of this size; use a map node") from None
        except BadResult as error:
            raise NotJson(_plain(str(error)), self.text) from None
        except BadValue as error:
            raise self._failure(str(error)) from None
        except TypeError:
            raise self._failure("the result is an optional; end it with .orValue(…)") from None
        except (RuntimeError, MemoryError, UnicodeError) as error:
            raise self._failure(str(error)) from None

    def _failure(self, message: str) -> ExpressionError:
        return ExpressionError(_plain(message), self.text)


def _look_up(bindings: Mapping[str, Any], path: Path) -> Any:
    value: Any = bindings
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _plain(message: str) -> str:
    """Drop the library's status codes and say the common failures in our words."""
    text = _STATUS.sub("", _STATUS.sub("", message)).replace('No value with name "', 'no value for "')
    text = text.replace("Key not found in map : ", "no such key: ").replace('" found in Activation', '"')
    text = text.replace("basic_string: construction from null is not valid", "some text is not valid Unicode")
    return text.replace("No matching overloads found : ", "no such operation for these types: ")


def compile_expression(
    text: str, variables: Mapping[str, CelType] | None = None, functions: tuple[Function, ...] = ()
) -> Expression:
    """Compile and type-check `text` (without `${}`); cached.

    `variables` maps each name that may be used to its type; a name outside it is an error. A dotted name
    gives the type of a field (`input.amount`). Without `variables` every name is allowed and untyped. Raises
    `ExpressionError` with a position where there is one.
    """
    declared = None if variables is None else tuple(sorted(variables.items()))
    return _compile(text, declared, functions)


@lru_cache(maxsize=4096)
def _compile(
    text: str, declared: tuple[tuple[str, CelType], ...] | None, functions: tuple[Function, ...]
) -> Expression:
    _check_text(text)
    syntax = _parse(text)
    _check_functions(text, syntax)
    variables = dict(declared) if declared is not None else _free_names(syntax)
    result_type = _type_checked(text, syntax, variables, functions)
    plain = {name: kind for name, kind in variables.items() if "." not in name}
    compiled = _checked(text, cel_environment.environment(plain, functions))
    return Expression(text, compiled, decode_expression(compiled.serialize()), result_type)


def _type_checked(
    text: str, syntax: Node, variables: Mapping[str, CelType], functions: tuple[Function, ...]
) -> str:
    """Compile with the types of fields (variables with dotted names) as well; return the result's type.

    The checker takes `has(a.b)` for the variable `a.b` where there is one, so what is tested goes without a
    type.
    """
    tested = {".".join(path) for path in paths_tested(syntax)}
    known = {name: kind for name, kind in variables.items() if name not in tested}
    checked = _checked(text, cel_environment.environment(known, functions))
    return str(checked.return_type().name()).lower()


def _check_text(text: str) -> None:
    if not text.strip():
        raise ExpressionError("the expression is empty", text, 0)
    if len(text.encode(errors="replace")) > MAX_EXPRESSION_BYTES:
        raise ExpressionError(f"longer than {MAX_EXPRESSION_BYTES} bytes", text, MAX_EXPRESSION_BYTES)


def _parse(text: str) -> Node:
    try:
        parsed = cel_environment.environment({}).compile(text, disable_check=True)
    except (RuntimeError, UnicodeError) as error:
        raise _compile_error(str(error), text) from None
    return decode_expression(parsed.serialize())


def _check_functions(text: str, syntax: Node) -> None:
    for node in walk(syntax):
        if isinstance(node, Call) and _qualified(node) in FORBIDDEN_FUNCTIONS:
            raise ExpressionError(f"{_qualified(node)} is not available", text, text.find(_qualified(node)))


def _qualified(call: Call) -> str:
    base = path_of(call.args[0]) if call.args else None
    return f"{base[0]}.{call.function}" if base and base[0] in NAMESPACES else call.function


def _free_names(syntax: Node) -> dict[str, CelType]:
    names = {path[0] for path in paths_read(syntax)}
    return dict.fromkeys(names - NAMESPACES, DYN)


def _checked(text: str, environment: Any) -> Any:
    try:
        return environment.compile(text)
    except (RuntimeError, UnicodeError) as error:
        raise _compile_error(str(error), text) from None


def _compile_error(message: str, text: str) -> ExpressionError:
    found = _LOCATION.search(message)
    if not found:
        return ExpressionError(_plain(message).splitlines()[0], text)
    line, column = int(found[1]), int(found[2])
    reason = found[3].replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
    if line < 1:
        return ExpressionError(reason, text)
    before = text.split("\n")[: line - 1]
    return ExpressionError(reason, text, sum(len(part) + 1 for part in before) + column - 1)
