"""Work that the service does again and again by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import QuarterdeckError


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], name: str, *, clock: Clock, log: Any
) -> None:
    """Does `work` at every interval until cancelled; what fails now is tried again at the next one."""
    while True:
        await clock.sleep(seconds)
        try:
            await work()
        except QuarterdeckError as error:
            log.warning("housekeeping.failed", task=name, reason=error.message)
