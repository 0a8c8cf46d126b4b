"""Splits a byte stream into lines without ever holding more than one bounded line.

A line beyond the limit is skipped while it passes: only its size, its beginning and its end are kept, which
is where the id of a JSON-RPC message stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# How much of both ends of a skipped line is kept, in bytes.
EDGE_BYTES = 1024

_ID = rb'"id"\s*:\s*(\d{1,18}|"(?:[^"\\]|\\.){0,256}")'
_START = rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?'
_ID_AT_HEAD = re.compile(_START + _ID + rb"\s*,")
_METHOD_AT_HEAD = re.compile(_START + rb'(?:"id"\s*:[^,]{1,300},\s*)?"method"\s*:')
_ID_AT_TAIL = re.compile(rb",\s*" + _ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line that was skipped because it exceeds the limit.

    Args:
        size: bytes of the whole line.
        head: its first `EDGE_BYTES` bytes.
        tail: its last `EDGE_BYTES` bytes.
    """

    size: int
    head: bytes
    tail: bytes


class LineSplitter:
    """Cuts chunks of any size into lines of at most `limit` bytes each, without their newline."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._head = b""
        self._skipped = 0

    def feed(self, data: bytes) -> Iterator[bytes | Oversized]:
        """Yields each line that `data` completes. The iterator must be exhausted before the next call."""
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            self._keep(data[start:end])
            yield self._take()
            start = end + 1
        self._keep(data[start:])

    def finish(self) -> Iterator[bytes | Oversized]:
        """Yields the last line of a stream that ended without a newline."""
        if self._kept or self._skipped:
            yield self._take()

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if self._skipped:
            self._skipped += len(part)
            del self._kept[:-EDGE_BYTES]
        elif len(self._kept) > self._limit:
            self._skipped = len(self._kept)
            self._head = bytes(self._kept[:EDGE_BYTES])
            del self._kept[:-EDGE_BYTES]

    def _take(self) -> bytes | Oversized:
        line = bytes(self._kept)
        size, self._skipped = self._skipped, 0
        self._kept.clear()
        return Oversized(size, self._head, line) if size else line


def message_id(head: bytes, tail: bytes) -> int | str | None:
    """Finds the id of a JSON-RPC message that cannot be read whole.

    SDKs write the id either right at the beginning or right at the end; ids deeper inside belong to the
    payload and are not looked at.
    """
    found = _ID_AT_HEAD.match(head) or _ID_AT_TAIL.search(tail)
    if found is None:
        return None
    text = found.group(1).decode("utf-8", "replace").strip('"')
    # Some servers send our numbers back as text.
    return int(text) if text.isdecimal() else text


def is_initiative(head: bytes) -> bool:
    """Whether a message that begins like this is the server's own: a notification or a request."""
    return _METHOD_AT_HEAD.match(head) is not None
