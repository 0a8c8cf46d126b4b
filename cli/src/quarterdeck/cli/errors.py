"""What goes wrong in `qd`: one line, a hint, an exit code. Never a traceback."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.cli.constants import EXIT_FAILED


class CliError(Exception):
    """An error for a person at a terminal.

    Args:
        message: what happened and where, one line.
        hint: what to do about it, one line.
        code: exit code of the process.
        details: further lines, such as one for each field that was refused.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: int = EXIT_FAILED, details: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.details = tuple(details)

    def lines(self) -> list[str]:
        """Returns what is printed on stderr."""
        shown = [f"error: {self.message}", *(f"  {detail}" for detail in self.details)]
        return [*shown, f"hint: {self.hint}"] if self.hint else shown
