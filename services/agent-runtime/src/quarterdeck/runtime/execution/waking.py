"""Wake-ups over the bus: worth a moment, and never more. Losing one costs a sweep."""

from __future__ import annotations

import asyncio

from quarterdeck.common.bus import Bus, Message
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.constants import SWEEP_PERIOD, WAKE_PATIENCE


class WakeUps:
    """Publishes for a worker.

    A bus may hold a publisher up for seconds before it is known to be away (half-open, short of memory).
    What a run has committed must not wait for that: after one such moment nothing is published for as long
    as a sweep takes, and whoever would have been woken finds the run by itself.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._silent_until = 0.0

    async def publish(self, message: Message) -> bool:
        """Returns False when the bus did not take it; why not is in the bus's own log and health."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._silent_until:
            return False
        try:
            async with asyncio.timeout(WAKE_PATIENCE):
                await self._bus.publish(message)
        except Unavailable:
            return False
        except TimeoutError:
            self._silent_until = loop.time() + SWEEP_PERIOD
            return False
        return True
