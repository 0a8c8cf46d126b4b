"""The syntax tree of a compiled CEL expression.

The library exposes a tree only as a serialised `cel.expr` message, so this module reads that wire format.
Field numbers are those of `cel/expr/syntax.proto` and `checked.proto`. Macros are already expanded: a `map`
or `exists` is a `Fold`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Const:
    """A literal; `value` is a str or int where the literal is one, else None. `size` is its length."""

    value: str | int | None
    size: int = 1


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable, type or name of a fold's variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`; with `test` it is `has(operand.field)`."""

    operand: "Node"
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; a method's receiver is the first argument. Operators look like `_+_`."""

    function: str
    args: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Collection:
    """A list, map or message literal, with keys and values as items."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Fold:
    """A comprehension: what `map`, `filter`, `all`, `exists`, `cel.bind` and the like expand to."""

    variables: tuple[str, ...]
    source: "Node"
    accumulator: str
    initial: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Const | Ident | Select | Call | Collection | Fold


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct children of a node."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args
        case Collection():
            return node.items
        case Fold():
            return (node.source, node.initial, node.condition, node.step, node.result)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


@dataclass(slots=True)
class _Message:
    """A decoded message: for each field number its values, in order."""

    values: dict[int, list[int | bytes]] = field(default_factory=dict)

    def sub(self, number: int) -> list["_Message"]:
        return [_decode(value) for value in self.values.get(number, ()) if isinstance(value, bytes)]

    def text(self, number: int) -> str:
        value = self.values.get(number, [b""])[-1]
        return value.decode() if isinstance(value, bytes) else ""

    def number(self, number: int) -> int:
        value = self.values.get(number, [0])[-1]
        return value if isinstance(value, int) else 0


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        result |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return result, at


def _decode(data: bytes) -> _Message:
    message, at = _Message(), 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
            case 1:
                value, at = data[at : at + 8], at + 8
            case 2:
                size, at = _varint(data, at)
                value, at = data[at : at + size], at + size
            case _:
                value, at = data[at : at + 4], at + 4
        message.values.setdefault(tag >> 3, []).append(value)
    return message


def decode_expression(serialized: bytes) -> Node:
    """Return the tree of an expression serialised by the CEL library (checked or only parsed)."""
    envelope = _decode(serialized)
    number = 4 if envelope.text(1).endswith("CheckedExpr") else 2
    return _expression(envelope.sub(2)[0].sub(number)[0])


def _expression(message: _Message) -> Node:
    builders = {3: _const, 5: _select, 6: _call, 7: _list, 8: _struct, 9: _fold}
    for number, build in builders.items():
        if number in message.values:
            return build(message.sub(number)[0])
    return Ident(message.sub(4)[0].text(1)) if 4 in message.values else Const(None)


def _const(message: _Message) -> Node:
    if 3 in message.values:
        raw = message.number(3)
        return Const(raw - (1 << 64) if raw >> 63 else raw)
    if 6 in message.values:
        text = message.text(6)
        return Const(text, 1 + len(text))
    return Const(None)


def _select(message: _Message) -> Node:
    return Select(_expression(message.sub(1)[0]), message.text(2), bool(message.number(3)))


def _call(message: _Message) -> Node:
    return Call(message.text(2), tuple(_expression(part) for part in message.sub(1) + message.sub(3)))


def _list(message: _Message) -> Node:
    return Collection(tuple(_expression(part) for part in message.sub(1)))


def _struct(message: _Message) -> Node:
    entries = message.sub(2)
    return Collection(tuple(_expression(part) for entry in entries for part in entry.sub(3) + entry.sub(4)))


def _fold(message: _Message) -> Node:
    names = tuple(name for name in (message.text(1), message.text(8)) if name)
    source, initial, condition, step, result = (
        _expression(message.sub(number)[0]) for number in (2, 4, 5, 6, 7)
    )
    return Fold(names, source, message.text(3), initial, condition, step, result)
