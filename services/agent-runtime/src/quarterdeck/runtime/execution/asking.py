"""Asking a peer again that was away: longer pauses each time, and an end when the worker leaves.

Between two attempts nothing is in flight. The intent is in the journal and carries the call id,
so a worker that drains need not wait for the peer: the next one asks. Meanwhile the run's row
says what is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from quarterdeck.common.clock import Clock

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Shorter troubles are not told: who looks would see them come and go.
TOLD_FROM = 0.4

Tell = Callable[[str], Awaitable[None]]

_leaving: ContextVar[asyncio.Event | None] = ContextVar("quarterdeck_worker_leaving", default=None)
_tell: ContextVar[Tell | None] = ContextVar("quarterdeck_held_up", default=None)


class HandedOver(Exception):
    """The worker leaves: whoever holds the run next asks."""


def until(leaving: asyncio.Event, tell: Tell) -> None:
    """Says for this task, and for those it starts, what ends all waiting and who is told why it waits."""
    _leaving.set(leaving)
    _tell.set(tell)


async def ask_later(clock: Clock, pause: float, reason: str) -> float:
    """Waits `pause` seconds and returns the next pause. Raises HandedOver once the worker leaves."""
    leaving, tell = _leaving.get(), _tell.get()
    if tell is not None and pause >= TOLD_FROM:
        await tell(reason)
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
