"""How many calls a minute a server and each of its tools take, counted in this process."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60.0
# The bucket of the whole server; no tool has an empty name.
SERVER = ""


@dataclass(slots=True)
class Bucket:
    """Holds up to a minute's allowance and fills steadily. `at` is the time of `level`, in seconds."""

    per_minute: int
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Fills up to `now` and returns the seconds until one more call may be made."""
        filled = max(0.0, now - self.at) * self.per_minute / MINUTE
        self.level, self.at = min(self.per_minute, self.level + filled), now
        return max(0.0, 1.0 - self.level) * MINUTE / self.per_minute


class Rates:
    """The allowances of one server."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, tool: str, of_server: int, of_tool: int, now: float) -> float:
        """Books one call, unless that is over the rate.

        Args:
            of_server: calls a minute of the whole server, 0 for any number.
            of_tool: calls a minute of this tool, 0 for any number.
            now: Unix time in seconds.

        Returns:
            0 if it may be made; else the seconds after which it may, and nothing is booked.
        """
        wanted = ((SERVER, of_server), (tool, of_tool))
        buckets = [self._bucket(name, rate, now) for name, rate in wanted if rate]
        longest = max((bucket.wait(now) for bucket in buckets), default=0.0)
        if longest == 0.0:
            for bucket in buckets:
                bucket.level -= 1.0
        return longest

    def _bucket(self, name: str, per_minute: int, now: float) -> Bucket:
        known = self._buckets.get(name)
        if known is None or known.per_minute != per_minute:
            known = self._buckets[name] = Bucket(per_minute, per_minute, now)
        return known
