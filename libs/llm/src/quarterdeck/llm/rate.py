"""A route's own limits: so many requests and tokens in a minute, counted in this process."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.llm.errors import RateLimited
from quarterdeck.llm.route import RouteLimits

MINUTE = 60.0
LONGEST_WAIT = 20.0
"""A request that would wait longer is refused with `retry_after`, so that its run can be parked."""


@dataclass
class Bucket:
    """Holds up to a minute's allowance and fills steadily. May go below zero, which later calls wait for."""

    per_minute: float
    level: float
    at: float

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` (or a full bucket, when it asks for more) is there."""
        self.level = min(self.per_minute, self.level + (now - self.at) * self.per_minute / MINUTE)
        self.at = now
        missing = min(amount, self.per_minute) - self.level
        return max(0.0, missing * MINUTE / self.per_minute)


class RateLimit:
    """Both limits of one route."""

    def __init__(self, limits: RouteLimits, now: float) -> None:
        self._requests = _bucket(limits.requests_per_minute, now)
        self._tokens = _bucket(limits.tokens_per_minute, now)

    def take(self, tokens: int, now: float) -> float:
        """Book one request of about so many tokens; returns the seconds to wait before it is sent.

        Raises `RateLimited` and books nothing when the wait would be longer than `LONGEST_WAIT`.
        """
        wanted = [(self._requests, 1.0), (self._tokens, float(tokens))]
        booked = [(bucket, amount) for bucket, amount in wanted if bucket is not None]
        wait = max((bucket.wait(amount, now) for bucket, amount in booked), default=0.0)
        if wait > LONGEST_WAIT:
            raise RateLimited(
                "the route's own limit for a minute is used up",
                retry_after=wait,
                hint="raise spec.limits of the ModelRoute",
            )
        for bucket, amount in booked:
            bucket.level -= amount
        return wait

    def settle(self, tokens: int) -> None:
        """Correct the booking when the real count is known; `tokens` is the difference."""
        if self._tokens is not None:
            self._tokens.level -= tokens


def _bucket(per_minute: int | None, now: float) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, per_minute, now)
