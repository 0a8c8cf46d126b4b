"""Asking a peer again that was away: longer pauses each time, and an end when the worker leaves.

Between two attempts nothing is in flight. The intent is in the journal and carries the call id,
so a worker that drains need not wait for the peer: the next one asks.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from quarterdeck.common.clock import Clock

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

_leaving: ContextVar[asyncio.Event | None] = ContextVar("quarterdeck_worker_leaving", default=None)


class HandedOver(Exception):
    """The worker leaves: whoever holds the run next asks."""


def until(leaving: asyncio.Event) -> None:
    """Names the event that ends all waiting of this task and of those it starts."""
    _leaving.set(leaving)


async def ask_later(clock: Clock, pause: float) -> float:
    """Waits `pause` seconds and returns the next pause. Raises HandedOver once the worker leaves."""
    leaving = _leaving.get()
    if leaving is None:
        await clock.sleep(pause)
    else:
        await sleep_unless(leaving, clock, pause)
        if leaving.is_set():
            raise HandedOver
    return min(pause * 2, LONGEST_PAUSE)


async def sleep_unless(leaving: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Sleeps for `seconds`, or until the event is set."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(leaving.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
