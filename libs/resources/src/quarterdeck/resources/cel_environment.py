"""The CEL environment every expression is compiled in: which variables and which functions there are.

Beyond the standard library these extensions are on; `docs/reference/expressions.md` lists their functions:
strings, math, lists, sets, regex, encoders (base64), bindings (`cel.bind`), optional, two-variable macros.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

CelType = str
"""A CEL type as text: `dyn`, `bool`, `int`, `double`, `string`, `list<string>`, `map<string, dyn>`."""

DYN: CelType = "dyn"
BOOL: CelType = "bool"
INT: CelType = "int"
DOUBLE: CelType = "double"
STRING: CelType = "string"
LIST: CelType = "list<dyn>"
MAP: CelType = "map<string, dyn>"

EXTENSIONS = (
    "strings",
    "math",
    "lists",
    "sets",
    "regex",
    "encoders",
    "bindings",
    "optional",
    "two-var-comprehensions",
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function in Python that expressions may call, beyond the extensions.

    Parameters and result are scalar types (`string`, `int`, `double`, `bool`). `call` must be pure and quick;
    an exception in it makes the call an error.
    """

    name: str
    parameters: tuple[CelType, ...]
    result: CelType
    call: Callable[..., Any]


@lru_cache(maxsize=1)
def library() -> Any:
    """Return the CEL library (it has no type information), imported on first use."""
    return import_module("cel_expr_python.cel")


@lru_cache(maxsize=1)
def _config() -> Any:
    lines = "".join(f"- name: {name}\n" for name in EXTENSIONS)
    return library().NewEnvConfigFromYaml(f"name: quarterdeck\nextensions:\n{lines}")


def _declaration(function: Function) -> Any:
    cel = library()
    overload = cel.Overload(
        f"qd_{function.name}_{'_'.join(function.parameters)}",
        cel.Type(function.result),
        [cel.Type(parameter) for parameter in function.parameters],
        impl=function.call,
    )
    return cel.FunctionDecl(function.name, [overload])


@lru_cache(maxsize=256)
def _environment(variables: tuple[tuple[str, CelType], ...], functions: tuple[Function, ...]) -> Any:
    cel = library()
    return cel.NewEnv(
        config=_config(),
        variables={name: cel.Type(kind) for name, kind in variables},
        functions=[_declaration(function) for function in functions],
    )


def environment(variables: Mapping[str, CelType], functions: tuple[Function, ...] = ()) -> Any:
    """Return the (cached) environment that knows exactly these variables and functions."""
    return _environment(tuple(sorted(variables.items())), functions)
