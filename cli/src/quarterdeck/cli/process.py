"""Runs services in this process until a signal says stop, then drains."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from quarterdeck.cli.constants import EXIT_INTERRUPTED
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.loose_ends import quiet
from quarterdeck.common.garbage import keep_for_good

T = TypeVar("T")


class Startable(Protocol):
    """What can be started and stopped: a service, or the whole platform."""

    async def start(self) -> None:
        """Begins to serve; leaves nothing behind when it fails."""

    async def stop(self, grace: float) -> None:
        """Drains for `grace` seconds at most, then ends."""


class Signals:
    """SIGINT and SIGTERM of this process: the first asks to stop, the second insists."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()

    def close(self) -> None:
        """Gives the signals back."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)


async def serve_until_stopped(
    service: Startable,
    ready: Callable[[], None],
    draining: Callable[[], None],
    grace: float,
) -> None:
    """Starts, calls `ready`, waits for a signal, calls `draining`, stops.

    Raises CliError if a second signal cut the draining short.
    """
    signals = Signals()
    try:
        if await first_of(service.start(), signals.asked.wait()):
            keep_for_good()
            ready()
            await signals.asked.wait()
        draining()
        if not await first_of(service.stop(grace), signals.insisted.wait()):
            raise CliError(
                "stopped at once; what was under way goes on at the next start", code=EXIT_INTERRUPTED
            )
    finally:
        signals.close()


async def first_of(work: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> bool:
    """Runs `work` until it ends or `other` does; True if `work` ended. Raises what `work` raises."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(other)
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    ended = working.done()
    for task in (working, waiting):
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
    if ended:
        working.result()
    return ended


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on uvloop where there is one, on asyncio's loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(quiet)
        return runner.run(work)
