"""Errors of this distribution: data that says what, where and what to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with an object.

    `path` is dotted from the object's root (`spec.nodes[2].tool.name`), empty for the whole object.
    """

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def under(self, prefix: str) -> "FieldError":
        """Return the same error with its path below `prefix`."""
        return FieldError(join_path(prefix, self.path), self.message, self.hint)


class ValidationFailed(ValueError):
    """An object was refused; `errors` holds every reason found, at least one."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(str(error) for error in errors))


class ExpressionError(ValueError):
    """A CEL expression does not compile or failed at run time.

    `expression` is its text without `${}`; `position` is a 0-based character offset into it, when known;
    `path` is where inside a template it stands (`items[0].name`), empty outside templates.
    """

    def __init__(self, message: str, expression: str, position: int | None = None, path: str = "") -> None:
        self.message = message
        self.expression = expression
        self.position = position
        self.path = path
        super().__init__(f"{message} in expression {shorten(expression)!r}")


class NotJson(ExpressionError):
    """An expression worked, but its result has no JSON form: not a number, infinite, or with odd keys."""


def join_path(prefix: str, path: str) -> str:
    """Join two field paths; either may be empty."""
    if not prefix or not path:
        return prefix or path
    return f"{prefix}{path}" if path.startswith("[") else f"{prefix}.{path}"


def shorten(text: str, limit: int = 120) -> str:
    """Return `text` cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
