"""Time as a dependency, so that a simulation can own it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the engine may know about time."""

    def now(self) -> float:
        """Returns Unix time in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Returns Unix time in seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleeps on the event loop."""
        await asyncio.sleep(seconds)


class SteadyClock:
    """The machine's clock when it was made, and from then on a count of seconds that no jump changes.

    Whoever knows better corrects it; see `follow`.

    Args:
        wall, steady: Unix time of the machine, and seconds that only ever grow.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self.wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> float:
        """Returns Unix time in seconds."""
        return self._steady() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Sleeps on the event loop."""
        await asyncio.sleep(seconds)

    def follow(self, reference: float, asked: float) -> float:
        """Corrects the clock by another one. Returns by how many seconds; 0 when they agree.

        Args:
            reference: what the other clock said.
            asked: this clock's time when it was asked; it has answered by now.
        """
        step = correction(reference, asked, self.now())
        self._offset += step
        return step


# Seconds by which two clocks may differ before one follows the other.
CLOCKS_AGREE = 0.5


def correction(reference: float, before: float, after: float) -> float:
    """Returns how far a clock is off that read `before` and `after` around a look at another one.

    The look may have taken long: what lies between is no difference.
    """
    if before - CLOCKS_AGREE <= reference <= after + CLOCKS_AGREE:
        return 0.0
    return reference - (before if reference < before else after)


def rfc3339(seconds: float | None) -> str:
    """Formats Unix time as RFC 3339 in UTC with milliseconds; None is an empty string."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """Reads RFC 3339 into Unix time in seconds. Raises ValueError; a time without a zone is refused."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write for example {text}Z")
    return moment.timestamp()
