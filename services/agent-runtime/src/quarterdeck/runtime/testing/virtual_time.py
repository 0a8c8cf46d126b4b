"""Time that is skipped: a clock that stands still until it is moved, and a loop that knows when to move it.

The clock is the engine's; the event loop keeps real time. Nothing is ever slept through: once nothing at
all can happen any more at this moment, the clock is moved to the next moment at which something is due.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple, Unpack

from sqlalchemy import Connection

from quarterdeck.common.database import Database

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")
Ts = TypeVarTuple("Ts")


class VirtualClock:
    """A clock that moves only when it is told to. See `quarterdeck.common.clock.Clock`."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._count = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Returns Unix time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Sleeps until the clock was moved by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._count), alarm))
        await alarm

    def next_alarm(self) -> float | None:
        """Returns when the next sleeper wakes, None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # it was cancelled
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def move_to(self, moment: float) -> None:
        """Moves to a later moment and wakes who sleeps until then."""
        self._now = max(self._now, moment)
        while (alarm := self.next_alarm()) is not None and alarm <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)


class _Selector(selectors.DefaultSelector):
    """Tells before the loop would block: nothing is ready to run."""

    def __init__(self, nothing_ready: Callable[[], bool]) -> None:
        super().__init__()
        self._nothing_ready = nothing_ready

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (timeout is None or timeout > 0) and self._nothing_ready():
            timeout = 0
        return super().select(timeout)


class QuietLoop(asyncio.SelectorEventLoop):
    """An event loop that can say when everybody waits: no task is ready, no thread is at work.

    Timers of the loop itself (time-outs, heartbeats) do not count as work.
    """

    def __init__(self) -> None:
        self._at_work = 0
        self._told: asyncio.Future[None] | None = None
        super().__init__(_Selector(self._nothing_ready))

    async def quiet(self) -> None:
        """Returns once everybody waits. For one caller at a time."""
        self._told = self.create_future()
        await self._told

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something outside the loop is at work as long as this lasts."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    # Every thread that the loop itself starts counts as work.
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """See `asyncio.loop.run_in_executor`."""
        future = super().run_in_executor(executor, func, *args)
        self._at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._at_work -= 1

    def _nothing_ready(self) -> bool:
        if self._at_work or self._told is None or self._told.done():
            return False
        self._told.set_result(None)
        return True


class WatchedDatabase:
    """A database whose writes, which have a thread of their own, count as work of the loop."""

    def __init__(self, database: Database, loop: QuietLoop) -> None:
        self._database = database
        self._loop = loop
        self.shared = database.shared

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.write`."""
        with self._loop.working():
            return await self._database.write(function, *args, **kw)

    async def write_together(
        self, function: Callable[[Connection, Sequence[Item]], Sequence[T | Exception]], item: Item
    ) -> T:
        """See `Database.write_together`."""
        with self._loop.working():
            return await self._database.write_together(function, item)

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.read`."""
        with self._loop.working():
            return await self._database.read(function, *args, **kw)

    async def check(self) -> None:
        """See `Database.check`."""
        await self._database.check()

    async def close(self) -> None:
        """See `Database.close`."""
        await self._database.close()


def run_quietly(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` on a `QuietLoop`, as `asyncio.run` does on an ordinary one."""
    with asyncio.Runner(loop_factory=QuietLoop) as runner:
        return runner.run(main)


def quiet_loop() -> QuietLoop:
    """Returns the running loop. Raises TypeError if it is of another kind."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, QuietLoop):
        raise TypeError("time can be skipped on a QuietLoop only; start with run_quietly()")
    return loop
