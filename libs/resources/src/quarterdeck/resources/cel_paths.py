"""Which variables, and which paths below them, an expression reads."""

from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.resources.cel_syntax import Call, Const, Fold, Ident, Node, Select, children, walk

Path = tuple[str, ...]

NAMESPACES = frozenset({"math", "strings", "lists", "sets", "regex", "base64", "optional", "cel", "google"})
"""First names of qualified functions; never variables."""

TYPE_NAMES = frozenset(
    {"bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"}
)
"""Names of types, as in `type(x) == string`; never variables."""


def path_of(node: Node) -> Path | None:
    """Return `("nodes", "fetch", "output")` for `nodes.fetch.output`, None for anything but such a chain."""
    match node:
        case Ident(name):
            return (name,)
        case Select(operand, name, False):
            base = path_of(operand)
            return (*base, name) if base else None
        case Call("_[_]", (operand, Const(str() as key))):
            base = path_of(operand)
            return (*base, key) if base else None
    return None


def paths_read(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the path of every free variable use: as long as it can be told without evaluating."""
    path = path_of(node)
    if path is not None:
        if path[0] not in bound and path[0] not in TYPE_NAMES:
            yield path
        return
    if isinstance(node, Select) and node.test and (base := path_of(node.operand)):
        if base[0] not in bound:
            yield (*base, node.field)
        return
    if (optional := _optional_path(node)) is not None:
        if optional[0] not in bound:
            yield optional
        return
    if isinstance(node, Fold):
        yield from _paths_of_fold(node, bound)
        return
    for child in children(node):
        yield from paths_read(child, bound)


def paths_tested(node: Node) -> Iterator[Path]:
    """Yield the paths that `has(…)` asks about."""
    for part in walk(node):
        if isinstance(part, Select) and part.test and (base := path_of(part.operand)):
            yield (*base, part.field)


def _optional_path(node: Node) -> Path | None:
    """Return the path of `a.?b` or `a[?'b']`."""
    match node:
        case Call("_?._" | "_[?_]", (operand, Const(str() as key))):
            base = path_of(operand)
            return (*base, key) if base else None
    return None


def _paths_of_fold(fold: Fold, bound: frozenset[str]) -> Iterator[Path]:
    yield from paths_read(fold.source, bound)
    yield from paths_read(fold.initial, bound)
    with_accumulator = bound | {fold.accumulator}
    inner = with_accumulator.union(fold.variables)
    yield from paths_read(fold.condition, inner)
    yield from paths_read(fold.step, inner)
    yield from paths_read(fold.result, with_accumulator)


def shortest(paths: Iterator[Path]) -> tuple[Path, ...]:
    """Return the distinct paths that are not below another one of them, sorted."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not kept or path[: len(kept[-1])] != kept[-1]:
            kept.append(path)
    return tuple(kept)


def prune(bindings: Mapping[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
    """Return a copy of the bindings that holds what the paths read and nothing else.

    The library converts every value it is given, so what an expression does not read must not reach it.
    """
    pruned: dict[str, Any] = {}
    for path in paths:
        _copy_path(bindings, pruned, path)
    return pruned


def _copy_path(source: Mapping[str, Any], target: dict[str, Any], path: Path) -> None:
    last = len(path) - 1
    for depth, name in enumerate(path):
        if name not in source:
            return
        value = source[name]
        if depth == last or not isinstance(value, Mapping):
            target[name] = value
            return
        source, target = value, target.setdefault(name, {})
