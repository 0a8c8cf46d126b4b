"""Splitting a string into literal text and `${…}` expressions."""

from dataclasses import dataclass

from quarterdeck.resources.errors import ExpressionError

_OPEN = "${"
_ESCAPED = "$${"


@dataclass(frozen=True, slots=True)
class Hole:
    """The text of one expression, between `${` and `}`."""

    text: str


def split(text: str) -> list[str | Hole]:
    """Return the parts of `text` in order: literal strings and holes. `$${` stands for a literal `${`.

    Raises `ExpressionError` when a `${` is not closed.
    """
    parts: list[str | Hole] = []
    literal: list[str] = []
    at = 0
    while (found := text.find(_OPEN, at)) >= 0:
        if text.startswith(_ESCAPED, found - 1) and found > at:
            literal += (text[at : found - 1], _OPEN)
            at = found + 2
            continue
        literal.append(text[at:found])
        end = _end_of_hole(text, found + 2)
        _flush(literal, parts)
        parts.append(Hole(text[found + 2 : end]))
        at = end + 1
    literal.append(text[at:])
    _flush(literal, parts)
    return parts


def _flush(literal: list[str], parts: list[str | Hole]) -> None:
    if joined := "".join(literal):
        parts.append(joined)
    literal.clear()


def _end_of_hole(text: str, start: int) -> int:
    """Return the index of the `}` that closes the hole, past nested braces and CEL string literals."""
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char in "'\"":
            at = _end_of_string(text, at, start)
            continue
        if char == "}":
            if depth == 0:
                return at
            depth -= 1
        depth += char == "{"
        at += 1
    raise ExpressionError("'${' is not closed with '}' (write '$${' for a literal '${')", text[start:], 0)


def _end_of_string(text: str, at: int, start: int) -> int:
    """Return the index after the CEL string literal that begins at `at`."""
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    raw = at > start and text[at - 1] in "rR" and not (at - 1 > start and text[at - 2].isalnum())
    at += len(quote)
    while at < len(text):
        if text[at] == "\\" and not raw:
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        else:
            at += 1
    raise ExpressionError("a string literal is not closed", text[start:])
