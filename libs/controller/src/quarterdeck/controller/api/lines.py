"""Lines out of chunks: a watch is one JSON document per line, and a chunk ends wherever it likes."""

from __future__ import annotations

# The largest line of a watch. Objects are at most a few MB in etcd.
LONGEST_LINE = 32 * 1024 * 1024


class LineSplitter:
    """Collects chunks and gives out the lines that are complete.

    Args:
        longest: bytes of the longest line that is accepted.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes the next bytes and returns the lines that they complete, without empty ones.

        Raises:
            ValueError: a line is longer than allowed.
        """
        *complete, rest = chunk.split(b"\n")
        lines = []
        if complete:
            complete[0] = b"".join([*self._parts, complete[0]])
            self._parts, self._held = [], 0
            lines = [line for line in complete if line]
        if rest:
            self._parts.append(rest)
            self._held += len(rest)
        if self._held > self._longest:
            raise ValueError(f"a line of the watch is longer than {self._longest} bytes")
        return lines
