"""Timers that fire while claims go on, and what parked runs cost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from claiming import Claims
from filling import Queue
from sqlalchemy import Connection, text

from quarterdeck.common.clock import SystemClock
from quarterdeck.common.database import Database
from quarterdeck.runtime.execution.timers import TimerLoop
from quarterdeck.runtime.testing.harness import Harness

_DUE = text("SELECT run_id, due FROM timers WHERE due <= :end")
_COMMITS = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")


class Timers:
    """The runtime's own loop, and when the run of each timer could go on: after the commit."""

    def __init__(self, database: Database) -> None:
        self.fired: dict[str, float] = {}
        nothing = SimpleNamespace(observe=lambda _seconds: None)
        engine: Any = SimpleNamespace(
            database=database,
            clock=SystemClock(),
            timers_changed=asyncio.Event(),
            instruments=SimpleNamespace(timer_lag=nothing),
            wake=self._wake,
        )
        self._loop = TimerLoop(engine)

    async def _wake(self, ready: list[str], _poke: dict[str, str]) -> None:
        self.fired.update(dict.fromkeys(ready, time.time()))

    async def lateness(self, database: Database, until: float, *, claims: bool) -> list[float]:
        """Fires what is due until then; returns by how many seconds each was late, sorted."""

        def expected(connection: Connection) -> dict[str, float]:
            return {row.run_id: row.due for row in connection.execute(_DUE, {"end": until})}

        due = await database.read(expected)
        tasks = [asyncio.create_task(self._loop.run())]
        if claims:
            tasks.append(asyncio.create_task(_claim_on(database)))
        async with asyncio.timeout(until - time.time() + 120.0):
            while len(self.fired.keys() & due.keys()) < len(due):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sorted(self.fired[run_id] - moment for run_id, moment in due.items())


async def _claim_on(database: Database) -> None:
    """Claims what the timers wake, and ends it: the tenants get as many new runs again."""
    claims = Claims(database)
    while True:
        await claims.once(8)
        await asyncio.sleep(0.005)


async def steady(queue: Queue, pending: int, seconds: float) -> list[float]:
    """Lateness while so many timers are pending, of which a hundred a second fall due, and claims go on."""
    begin = time.time() + 3.0
    await queue.fill_timers(pending, burst=0, moment=0.0, begin=begin, spread=pending / 100.0)
    return await Timers(queue.database).lateness(queue.database, begin + seconds, claims=True)


async def burst(queue: Queue, pending: int, at_once: int) -> list[float]:
    """Lateness of timers that are all due at one moment, while others are pending."""
    moment = time.time() + 15.0
    later = {"begin": moment + 3600.0, "spread": 3600.0}
    await queue.fill_timers(pending, burst=at_once, moment=moment, **later)
    return await Timers(queue.database).lateness(queue.database, moment, claims=False)


def resident() -> float:
    """Returns this process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


async def idle_worker(folder: Path, queue: Queue, parked: int, seconds: float) -> tuple[float, float]:
    """Returns a worker's transactions in a second, and its memory in MiB, beside so many parked runs."""
    await queue.park(parked)
    async with Harness(folder, specs=_SPECS, database=_Kept(queue.database)):
        await asyncio.sleep(3.0)
        before, began = await _commits(queue.database), time.perf_counter()
        await asyncio.sleep(seconds)
        commits = await _commits(queue.database) - before
        return commits / (time.perf_counter() - began), resident()


_SPECS = {"Workflow/w": {"nodes": [{"name": "n", "transform": {"output": 1}}]}}


async def _commits(database: Database) -> int:
    await asyncio.sleep(1.2)  # the server counts late
    return int(await database.read(lambda connection: connection.execute(_COMMITS).scalar()) or 0)


class _Kept:
    """A database that its user does not close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def close(self) -> None:
        """Leaves it open."""
