"""An upper estimate of what evaluating an expression costs, from the real sizes of its inputs.

The library holds the interpreter's lock while it evaluates, copies the whole list for each element that `map`
or `filter` appends, and lets a chain of `map(x, x + x)` double its value at every step. Its own bound (10,000
iterations) does not stop either, so an expression is measured before it is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.resources.cel_paths import path_of
from quarterdeck.resources.cel_syntax import (
    Call,
    Collection,
    Const,
    Fold,
    Ident,
    Node,
    Select,
    children,
    walk,
)

FORBIDDEN_FUNCTIONS = frozenset({"lists.range"})
"""Functions whose result is not bounded by the size of their arguments."""

MULTIPLYING = frozenset({"replace", "join", "regex.replace"})
SQUARE = frozenset({"distinct", "sets.contains", "sets.equivalent", "sets.intersects"})
COMPARING = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
BOOLEAN = COMPARING | {"_&&_", "_||_", "!_", "@in", "contains", "matches", "startsWith", "endsWith", "size"}
MAX_SIMPLE_NODES = 16
CHARS_PER_CELL = 32
SKEW = 8
"""How many times longer than the average an element's own list is taken to be."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a value may be: `cells` (elements, and 32 characters each) and its longest list or map."""

    cells: float
    width: float = 0


SCALAR = Size(1)


class TooMuchWork(Exception):
    """The estimate passed the limit."""


def measure(value: Any) -> Size:
    """Return the size of a JSON-like value; its depth is already known to be bounded."""
    if isinstance(value, str):
        return Size(1 + len(value) / CHARS_PER_CELL, len(value))
    if isinstance(value, Mapping):
        parts = [measure(part) for part in value.values()]
    elif isinstance(value, list):
        parts = [measure(part) for part in value]
    else:
        return SCALAR
    cells = 1 + sum(part.cells for part in parts)
    return Size(cells, max([len(parts), *(part.width for part in parts)]))


def is_simple(node: Node) -> bool:
    """Tell whether the expression is so plain that it needs no estimate."""
    count = 0
    for part in walk(node):
        count += 1
        if isinstance(part, Fold) or (isinstance(part, Call) and part.function in MULTIPLYING | SQUARE):
            return False
    return count <= MAX_SIMPLE_NODES


def estimate(node: Node, bindings: Mapping[str, Any], limit: float) -> float:
    """Return the estimated work of evaluating `node`.

    Raises `TooMuchWork` as soon as the estimate, or the size of a value on the way, passes `limit`.
    """
    meter = _Meter(bindings, limit)
    meter.size(node, {})
    return meter.work


class _Meter:
    """Walks the tree as an evaluation would, with sizes in place of values."""

    def __init__(self, bindings: Mapping[str, Any], limit: float) -> None:
        self._bindings = bindings
        self._limit = limit
        self._times = 1.0
        self.work = 0.0

    def _charge(self, units: float) -> None:
        self.work += units * self._times
        if self.work > self._limit:
            raise TooMuchWork

    def size(self, node: Node, scope: Mapping[str, Size]) -> Size:
        if (path := path_of(node)) is not None:
            return scope[path[0]] if path[0] in scope else self._lookup(path)
        match node:
            case Const():
                return Size(1 + node.size / CHARS_PER_CELL, node.size)
            case Select():
                inner = self.size(node.operand, scope)
                return SCALAR if node.test else inner
            case Fold():
                return self._fold(node, scope)
            case Call() | Collection():
                return self._combined(node, [self.size(part, scope) for part in children(node)])
        return SCALAR

    def _lookup(self, path: tuple[str, ...]) -> Size:
        value: Any = self._bindings
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return measure(value)

    def _combined(self, node: Call | Collection, parts: list[Size]) -> Size:
        cells = sum(part.cells for part in parts) + 1
        width = sum(part.width for part in parts)
        if isinstance(node, Collection):
            return self._sized(Size(cells, max([len(parts), *(part.width for part in parts)])))
        if node.function in BOOLEAN:
            compared = min(part.cells for part in parts) if node.function in COMPARING else cells
            self._charge(1 + compared)
            return SCALAR
        if node.function in SQUARE:
            self._charge(cells * max((part.width for part in parts), default=1))
        if node.function in MULTIPLYING:
            longest = [1 + max(part.width, part.cells) for part in parts]
            cells = longest[0] * longest[-1] / CHARS_PER_CELL + cells
            width = longest[0] * longest[-1]
        if node.function == "_?_:_":
            cells, width = max(part.cells for part in parts[1:]), max(part.width for part in parts[1:])
        return self._sized(Size(cells, width))

    def _sized(self, size: Size) -> Size:
        self._charge(size.cells)
        return size

    def _fold(self, fold: Fold, scope: Mapping[str, Size]) -> Size:
        source = self.size(fold.source, scope)
        initial = self.size(fold.initial, scope)
        if fold.variables == ("#unused",):  # cel.bind: the accumulator is the bound value
            return self.size(fold.result, {**scope, fold.accumulator: initial})
        rounds = max(1.0, source.width)
        share = max(1.0, source.cells / rounds)
        element = Size(share, min(source.width, share * SKEW))
        inner = {**scope, fold.accumulator: Size(1), **dict.fromkeys(fold.variables, element)}
        self._times *= rounds
        self.size(fold.condition, inner)
        step = self.size(fold.step, inner)
        self._times /= rounds
        grown = self._grown(fold, rounds, step)
        return self.size(fold.result, {**scope, fold.accumulator: grown})

    def _grown(self, fold: Fold, rounds: float, step: Size) -> Size:
        if not isinstance(fold.initial, Collection):
            return Size(rounds * step.cells) if fold.result != Ident(fold.accumulator) else step
        self._charge(rounds * rounds / 2)  # each append copies the list
        return Size(rounds * step.cells, rounds)
