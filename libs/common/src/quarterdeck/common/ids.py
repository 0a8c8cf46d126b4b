"""Identifiers."""

from __future__ import annotations

import os
import time
import uuid


def uuid7(milliseconds: int | None = None, entropy: bytes | None = None) -> str:
    """Returns a UUIDv7 (RFC 9562): sorts by creation time.

    Args:
        milliseconds: Unix time in milliseconds; now by default.
        entropy: 10 bytes; random by default (the simulation passes seeded ones).
    """
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    noise = int.from_bytes(entropy or os.urandom(10), "big")
    value = (moment & 0xFFFFFFFFFFFF) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
