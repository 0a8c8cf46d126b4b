"""Allowances of this process alone: bounded, and forgotten with it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import monotonic

from quarterdeck.common.rates.allowance import MICROSECONDS, Allowance, Taken, spend, taken

# Whoever was not seen for longest goes first, and begins anew.
MOST = 10_000


class LocalBuckets:
    """Buckets by key: the time at which each is full again."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, allowances: Sequence[Allowance]) -> Taken:
        """Takes one of each, or none."""
        now = int(self._now() * MICROSECONDS)
        lags = [max(0, self._full_at.get(one.key, 0) - now) for one in allowances]
        granted, lags = spend(lags, allowances)
        if granted:
            for one, lag in zip(allowances, lags, strict=True):
                self._full_at[one.key] = now + lag
                self._full_at.move_to_end(one.key)
            while len(self._full_at) > MOST:
                self._full_at.popitem(last=False)
        return taken(granted, lags, allowances)
