"""When an item is gone: at its own time or at the end of its collection's retention, whichever is first.

Retention is looked at when reading, not written into items, so a changed spec holds at once
for everything that has not been swept yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.memory.engine.conditions import All, Condition, Either, Neither, Within


def expiry(document: Mapping[str, Any], ttl: float | None) -> float | None:
    """Returns the Unix time after which an item is gone, None for never."""
    ends = [document["exp"]] if "exp" in document else []
    if ttl is not None:
        ends.append(document["saved"] + ttl)
    return min(ends) if ends else None


def is_expired(document: Mapping[str, Any], ttl: float | None, now: float) -> bool:
    """True for an item that must not be shown any more."""
    end = expiry(document, ttl)
    return end is not None and end <= now


def expired(ttl: float | None, now: float) -> Condition:
    """Returns the condition that finds what is to be swept."""
    own = Within("exp", lte=now)
    return own if ttl is None else Either((own, Within("saved", lte=now - ttl)))


def alive(condition: Condition | None, ttl: float | None, now: float) -> Condition:
    """Returns a condition narrowed to what may be shown."""
    living = Neither((expired(ttl, now),))
    return living if condition is None else All((condition, living))
