"""How soon a server whose Secrets may not be read yet is looked at again: soon at first, then seldom."""

from __future__ import annotations

import time
from collections.abc import Callable

from quarterdeck.controller.objects import ObjectKey

# Seconds between two looks.
SOONEST, LATEST = 0.1, 30.0
# Seconds for which nothing is said: whoever gives the permission has heard of the server no sooner than we.
QUIET = 1.0


class Patience:
    """See the module.

    Args:
        now: seconds of a clock that is never set back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[ObjectKey, float] = {}

    def waited(self, key: ObjectKey) -> float:
        """Returns for how many seconds `key` has been denied something, from its first time on."""
        now = self._now()
        return now - self._since.setdefault(key, now)

    def over(self, key: ObjectKey) -> None:
        """`key` is denied nothing any more, or is gone."""
        self._since.pop(key, None)


def next_look(waited: float) -> float:
    """Returns seconds until the next look after one that came too early; they double. Pure."""
    return min(LATEST, max(SOONEST, waited))
