"""How often the API server is asked, and how long to wait when it says that this is too often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

RATE = 200.0
BURST = 400
ATTEMPTS = 8
LONGEST_WAIT = 30.0


class TokenBucket:
    """Lets `burst` requests through at once and `rate` per second in the long run; they go in turn.

    Args:
        rate: requests per second.
        burst: requests that may come at once after a rest.
        clock: seconds that only grow.
    """

    def __init__(
        self, rate: float = RATE, burst: int = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def reserve(self) -> float:
        """Takes a place in the row and returns the seconds until its turn; 0 for at once."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    async def turn(self) -> None:
        """Waits for a turn. A caller that gives up loses its place to nobody: the pace stays."""
        wait = self.reserve()
        if wait > 0:
            await asyncio.sleep(wait)


def retry_after_of(header: str | None) -> float | None:
    """Reads the header `Retry-After`, in seconds; None if it is absent, a date or nonsense."""
    return float(header) if header is not None and header.isdecimal() else None


def wait_before_retry(code: int, retry_after: float | None, attempt: int) -> float | None:
    """Returns how long to wait until the same request may be made again, or None for never.

    Only refusals are repeated, which say that nothing was done: 429, and 5xx with a `Retry-After`.

    Args:
        attempt: how often it was made so far, from 1.
    """
    if attempt >= ATTEMPTS:
        return None
    if code == 429:
        return min(retry_after if retry_after is not None else 2.0 ** (attempt - 1), LONGEST_WAIT)
    if code >= 500 and retry_after is not None:
        return min(retry_after, LONGEST_WAIT)
    return None
