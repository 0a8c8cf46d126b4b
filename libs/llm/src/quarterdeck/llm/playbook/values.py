"""Compiling values: templates in which an object with the one key `$name` calls a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError

from quarterdeck.llm.errors import PlaybookFailed, PlaybookInvalid
from quarterdeck.llm.playbook import limits
from quarterdeck.llm.playbook.document import ExtractField
from quarterdeck.llm.playbook.expressions import Evaluate, Scope, compile_cel, compile_text
from quarterdeck.llm.playbook.extraction import Finder, compile_field
from quarterdeck.llm.playbook.functions import FUNCTIONS, SCOPED
from quarterdeck.llm.types import JsonValue

EXTRACT = "extract"
_CEL_ARGUMENTS = frozenset({"by", "of", "where", "amount"})


def compile_value(value: JsonValue, path: str, scope: Scope, depth: int = 0) -> Evaluate:
    """Compile any value of a document; raises `PlaybookInvalid` with the path of what is wrong in it."""
    if depth > limits.DEPTH:
        raise PlaybookInvalid(f"nested deeper than {limits.DEPTH} levels", path=path)
    if not _calls_a_function(value):
        return compile_text(value, path, scope)
    if isinstance(value, list):
        parts = [compile_value(part, f"{path}[{i}]", scope, depth + 1) for i, part in enumerate(value)]
        return lambda bindings: [part(bindings) for part in parts]
    if len(value) == 1 and (name := next(iter(value))).startswith("$"):
        return _compile_call(name, value[name], f"{path}.{name}", scope, depth)
    fields = {key: compile_value(part, f"{path}.{key}", scope, depth + 1) for key, part in value.items()}
    return lambda bindings: {key: part(bindings) for key, part in fields.items()}


def compile_steps(steps: Mapping[str, JsonValue], path: str, scope: Scope, depth: int = 0) -> Evaluate:
    """Compile named values, each of which sees the earlier ones; evaluates to all of them as an object.

    A name that is reserved or already taken is refused: a value never changes its meaning half-way.
    """
    compiled: list[tuple[str, Evaluate]] = []
    for name, step in steps.items():
        if not scope.is_free(name):
            raise PlaybookInvalid(f"the name {name!r} is taken, or a word of CEL", path=f"{path}.{name}")
        compiled.append((name, compile_value(step, f"{path}.{name}", scope, depth + 1)))
        scope = scope.with_names(name)

    def evaluate(bindings: Mapping[str, Any]) -> JsonValue:
        values: dict[str, JsonValue] = {}
        for name, step in compiled:
            values[name] = step({**bindings, **values})
        return values

    return evaluate


def _calls_a_function(value: JsonValue) -> bool:
    """Whether a function is called anywhere within; such a value cannot be one template."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if any(str(key).startswith("$") for key in part):
                return True
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return False


def _compile_call(name: str, arguments: JsonValue, path: str, scope: Scope, depth: int) -> Evaluate:
    if not isinstance(arguments, dict):
        raise PlaybookInvalid("takes its arguments by name, as an object", path=path)
    if name.removeprefix("$") == EXTRACT:
        return _compile_extract(arguments, path, scope, depth)
    function = FUNCTIONS.get(name.removeprefix("$"))
    if function is None:
        known = ", ".join(f"${known}" for known in sorted([*FUNCTIONS, EXTRACT]))
        raise PlaybookInvalid(f"no function has this name; there are {known}", path=path)
    _check_arguments(function, arguments, path)
    return partial(_apply, function, _compile_arguments(arguments, path, scope, depth + 1), path)


def _apply(
    function: Callable[..., JsonValue],
    arguments: Mapping[str, Evaluate],
    path: str,
    bindings: Mapping[str, Any],
) -> JsonValue:
    values = {
        key: partial(_scoped, part, bindings) if key in SCOPED else part(bindings)
        for key, part in arguments.items()
    }
    try:
        return function(**values)
    except PlaybookFailed as problem:
        if problem.message.startswith(path):
            raise
        raise PlaybookFailed(f"{path}: {problem.message}", hint=problem.hint) from problem
    except (TypeError, ValueError, OverflowError) as problem:
        raise PlaybookFailed(f"{path}: an argument has the wrong type: {problem}") from problem


def _scoped(part: Evaluate, bindings: Mapping[str, Any], **names: JsonValue) -> JsonValue:
    return part({**bindings, **names})


def _compile_arguments(
    arguments: Mapping[str, JsonValue], path: str, scope: Scope, depth: int
) -> dict[str, Evaluate]:
    """Compile each argument in its scope: some are evaluated per item, with what `let` names."""
    if not isinstance(arguments.get("let", {}), dict):
        raise PlaybookInvalid("let names values, as an object", path=f"{path}.let")
    inner = scope.with_names("item", "index")
    named = inner.with_names(*arguments.get("let", {}))
    return {
        key: _compile_argument(key, value, f"{path}.{key}", _scope_of(key, scope, inner, named), depth)
        for key, value in arguments.items()
    }


def _scope_of(key: str, outer: Scope, inner: Scope, named: Scope) -> Scope:
    if key == "let":
        return inner
    return named if key in SCOPED else outer


def _compile_argument(key: str, value: JsonValue, path: str, scope: Scope, depth: int) -> Evaluate:
    if key == "let":
        return compile_steps(value, path, scope, depth)
    if key in _CEL_ARGUMENTS and isinstance(value, str):
        return compile_cel(value, path, scope)
    return compile_value(value, path, scope, depth)


def _check_arguments(function: Callable[..., JsonValue], arguments: Mapping[str, Any], path: str) -> None:
    parameters = inspect.signature(function).parameters
    unknown = [key for key in arguments if key not in parameters]
    missing = [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty and key not in arguments
    ]
    if unknown or missing:
        takes = ", ".join(parameters)
        what = f"has no argument {unknown[0]!r}" if unknown else f"needs the argument {missing[0]!r}"
        raise PlaybookInvalid(f"{what}; it takes {takes}", path=path)


def _compile_extract(arguments: dict[str, JsonValue], path: str, scope: Scope, depth: int) -> Evaluate:
    if "from" not in arguments:
        raise PlaybookInvalid("needs the argument 'from'", path=path)
    source = compile_source(arguments["from"], f"{path}.from", scope, depth + 1)
    try:
        field = ExtractField.model_validate({k: v for k, v in arguments.items() if k != "from"})
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join([path, *map(str, first["loc"])])
        raise PlaybookInvalid(first["msg"], path=where) from problem
    return _extract_from(source, compile_field(field, path))


def compile_source(value: JsonValue, path: str, scope: Scope, depth: int = 0) -> Evaluate:
    """Compile the text that an extraction searches: a value, whose absence is an empty text."""
    source = compile_value(value, path, scope, depth)

    def evaluate(bindings: Mapping[str, Any]) -> JsonValue:
        text = source(bindings)
        if text is not None and not isinstance(text, str):
            raise PlaybookFailed(f"{path}: a text is needed, not {type(text).__name__}")
        return text or ""

    return evaluate


def _extract_from(source: Evaluate, finder: Finder) -> Evaluate:
    return lambda bindings: finder.find(source(bindings))
