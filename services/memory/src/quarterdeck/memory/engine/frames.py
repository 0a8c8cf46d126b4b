"""The frames between the service and an engine process.

A frame is two little-endian lengths (of the header and of the body), a UTF-8 JSON header and a
body of raw float32 numbers. Requests carry `id` and `op`; the answer carries the same `id` and
either `result` or `error`. This module is imported by the engine process, so it stays free of
everything heavy.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator
from typing import Any

_LENGTHS = struct.Struct("<II")
PREFIX_BYTES = _LENGTHS.size

# Far above any slice of work, far below what would exhaust memory when a peer goes mad.
MAX_FRAME_BYTES = 256 * 1024 * 1024


def pack(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Returns the bytes of one frame."""
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return _LENGTHS.pack(len(encoded), len(body)) + encoded + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """Returns the lengths of header and body. Raises ValueError if no honest peer sends these."""
    header, body = _LENGTHS.unpack(prefix)
    if header + body > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {header + body} bytes was announced")
    return header, body


def parse_header(data: bytes) -> dict[str, Any]:
    """Reads a frame's header."""
    header: dict[str, Any] = json.loads(data)
    return header


class FrameBuffer:
    """Collects bytes as they come and yields whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Adds bytes and yields every frame that is complete now."""
        self._data += data
        while len(self._data) >= PREFIX_BYTES:
            header_size, body_size = lengths(bytes(self._data[:PREFIX_BYTES]))
            end = PREFIX_BYTES + header_size + body_size
            if len(self._data) < end:
                return
            header = parse_header(bytes(self._data[PREFIX_BYTES : PREFIX_BYTES + header_size]))
            body = bytes(self._data[PREFIX_BYTES + header_size : end])
            del self._data[:end]
            yield header, body


def join_vectors(vectors: list[array[float]]) -> bytes:
    """Returns the vectors one after the other."""
    return b"".join(vector.tobytes() for vector in vectors)


def split_vectors(body: bytes, size: int) -> list[array[float]]:
    """Cuts a body into vectors of `size` numbers. Raises ValueError if it does not fit."""
    step = size * 4
    if len(body) % step:
        raise ValueError(f"{len(body)} bytes are no whole number of vectors of size {size}")
    return [array("f", body[start : start + step]) for start in range(0, len(body), step)]
