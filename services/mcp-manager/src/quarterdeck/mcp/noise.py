"""Output of a server that is not part of the protocol: kept for messages, logged in measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from quarterdeck.mcp.constants import STDERR_LINE, STDERR_RATE, STDERR_TAIL
from quarterdeck.mcp.framing import LineSplitter, Oversized

_REDACTED = "[redacted]"


class LineLog:
    """Writes a server's lines to the log, at most `STDERR_RATE` a second, without the secrets it was given.

    Args:
        write: takes one line.
        secrets: values that must not be shown; a server may print its environment.
    """

    def __init__(self, write: Callable[[str], None], secrets: Iterable[str] = ()) -> None:
        self._write = write
        self._secrets = sorted((value for value in secrets if value), key=len, reverse=True)
        self._lines = LineSplitter(STDERR_LINE)
        self._second = 0
        self._written = 0
        self._dropped = 0
        self._tail = ""

    @property
    def tail(self) -> str:
        """The last lines, up to `STDERR_TAIL` characters."""
        return self._tail.strip()

    def feed(self, data: bytes) -> None:
        """Takes output as it comes."""
        for line in self._lines.feed(data):
            raw = line.head + b"..." if isinstance(line, Oversized) else line
            self.add(raw)

    def add(self, raw: bytes) -> None:
        """Takes one line."""
        text = self._clean(raw[:STDERR_LINE].decode("utf-8", "replace").rstrip())
        self._tail = (self._tail + text + "\n")[-STDERR_TAIL:]
        if self._may_write():
            self._write(text)
        else:
            self._dropped += 1

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return text

    def _may_write(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            if self._dropped:
                self._write(f"({self._dropped} more lines in that second)")
            self._second, self._written, self._dropped = second, 0, 0
        self._written += 1
        return self._written <= STDERR_RATE
