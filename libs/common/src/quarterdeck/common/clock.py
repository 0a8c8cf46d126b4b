"""Time as a dependency, so that a simulation can own it."""

from __future__ import annotations

import asyncio
import time
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
