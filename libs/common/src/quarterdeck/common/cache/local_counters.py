"""Counters of this process, for while the cache is away."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic

# The oldest go first; a counter that is forgotten begins anew.
MOST = 10_000


class LocalCounters:
    """Counters that live for a while from their first use."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def increment(self, key: str, ttl: float) -> int:
        """Adds one and returns the count."""
        now = monotonic()
        count, until = self._counts.get(key, (0, now + ttl))
        if until <= now:
            count, until = 0, now + ttl
        self._counts[key] = (count + 1, until)
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)
        return count + 1

    def delete(self, *keys: str) -> None:
        """Forgets."""
        for key in keys:
            self._counts.pop(key, None)
