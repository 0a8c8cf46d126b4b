"""Lines of a run's file: each carries a hash over its entry and all entries before it.

`{"sha256":"<64 hex digits>","entry":<JSON>}`, compressed by gzip. The hash is SHA-256 over the hash of the
line before (64 hex digits; nothing for the first line) and the bytes of the entry as they stand there.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.transfer.entries import AnyEntry, read_entry, write_entry

MOST_BYTES = 256 * 1024 * 1024
LONGEST_LINE = 4 * 1024 * 1024
_GZIP = 31  # zlib's name for it
_MAGIC = b"\x1f\x8b"
_PIECE = 256 * 1024
_BEFORE, _BETWEEN, _AFTER = b'{"sha256":"', b'","entry":', b"}"
_ENTRY_AT = len(_BEFORE) + 64 + len(_BETWEEN)
HINT = "export the run again; an edited file cannot be imported"


class ChainWriter:
    """Makes the lines and compresses them."""

    def __init__(self) -> None:
        self._link = b""
        self._packer = zlib.compressobj(wbits=_GZIP)

    def add(self, entries: Iterable[AnyEntry]) -> bytes:
        """Returns what there is to write so far; it may be nothing yet."""
        return b"".join(self._packer.compress(self._line(entry)) for entry in entries)

    def close(self) -> bytes:
        """Returns the rest."""
        return self._packer.flush()

    def _line(self, entry: AnyEntry) -> bytes:
        data = write_entry(entry)
        self._link = link_of(self._link, data)
        return b"".join((_BEFORE, self._link, _BETWEEN, data, _AFTER, b"\n"))


class ChainReader:
    """Reads the lines of a file and holds each against the chain. `link` is the last hash."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.link = b""

    def entries(self) -> Iterator[AnyEntry]:
        """Yields the entries. Raises InvalidArgument with the line for what is not as it was exported."""
        for number, line in enumerate(_lines(self._data), 1):
            yield self._entry(number, line)

    def _entry(self, number: int, line: bytes) -> AnyEntry:
        said, data = line[len(_BEFORE) : len(_BEFORE) + 64], line[_ENTRY_AT:-1]
        if line != b"".join((_BEFORE, said, _BETWEEN, data, _AFTER)):
            raise refused(f"line {number} is not a line of a run's file")
        self.link = link_of(self.link, data)
        if said != self.link:
            raise refused(f"line {number} is not as it was exported: the digests do not match")
        try:
            return read_entry(data)
        except ValueError as error:
            raise refused(f"line {number} cannot be read: {error}") from None


def link_of(before: bytes, data: bytes) -> bytes:
    """Returns the hash of an entry that follows another's."""
    return hashlib.sha256(before + data).hexdigest().encode()


def refused(message: str) -> InvalidArgument:
    """Returns the error for a file that is not as it was exported."""
    return InvalidArgument(message, field="file", hint=HINT, reason="RunFileRefused")


def _lines(data: bytes) -> Iterator[bytes]:
    rest = b""
    for piece in _pieces(data):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise refused(f"a line is longer than {LONGEST_LINE} bytes")
    if rest:
        raise refused("the file is cut short")


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yields the text piece by piece, however much it was compressed; no more than `MOST_BYTES`."""
    if not data.startswith(_MAGIC):
        yield from (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
        return
    unpacker, total = zlib.decompressobj(wbits=_GZIP), 0
    try:
        while data and not unpacker.eof:
            piece = unpacker.decompress(data, _PIECE)
            data, total = unpacker.unconsumed_tail, total + len(piece)
            if total > MOST_BYTES:
                raise refused(f"the file holds more than {MOST_BYTES} bytes")
            yield piece
    except zlib.error as error:
        raise refused(f"the file cannot be unpacked: {error}") from None
    if not unpacker.eof or unpacker.unused_data:
        raise refused("the file is cut short, or something follows it")
