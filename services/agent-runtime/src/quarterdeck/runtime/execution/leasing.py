"""A worker's lease: how it is renewed, and when what it finds says something about other workers' leases."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from quarterdeck.common.clock import SteadyClock
from quarterdeck.runtime.constants import LATE_SECONDS, LEASE_SECONDS
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.store import queue

# Renewals between two that ask for everything.
THOROUGH_EVERY = 4

log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal brought: inbox counters of the runs held here, and how many runs of others it freed."""

    held: dict[str, int]
    freed: int


class Lease:
    """The lease of this process's worker, from `begin` on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._renewed = 0.0
        self._forbears = False
        self._renewals = 0
        self._doubts = False

    def doubt(self) -> None:
        """An answer was lost: the worker may hold runs that it does not know of."""
        self._doubts = True

    async def begin(self, *, alone: bool) -> None:
        """Takes the lease.

        Args:
            alone: no other worker can exist: what a former process held is taken over at once.
        """
        database, now = self._engine.database, self._engine.clock.now()
        if alone:
            await database.write(queue.take_over, now, LEASE_SECONDS, everybody=True)
        beat = await database.write(queue.heartbeat, self._engine.worker, now)
        self._renewed = asyncio.get_running_loop().time()
        await self._follow(beat, now)

    async def renew(self, known: Collection[str] | None = None) -> Renewed:
        """Renews the lease, and frees the runs of workers whose lease has run out.

        Args:
            known: the runs that the worker works on. Whether there are others, which it does not know of or
                whose worker nobody knows, is asked now and then, or in doubt. None: it is asked.
        """
        database, now = self._engine.database, self._engine.clock.now()
        thorough = known is None or self._doubts or self._renewals % THOROUGH_EVERY == 0
        self._renewals, self._doubts = self._renewals + 1, False
        asked = None if thorough or known is None else _filled_up(sorted(known))
        began = asyncio.get_running_loop().time()
        beat = await database.write(queue.heartbeat, self._engine.worker, now, asked)
        last, self._renewed = self._renewed, asyncio.get_running_loop().time()
        await self._follow(beat, now)
        since = self._renewed - last
        self._forbears = not may_judge(since, forbore=self._forbears)
        if self._forbears:
            log.warning(
                "worker.heartbeat_late", seconds=round(since, 1), writing=round(self._renewed - began, 1)
            )
            return Renewed(beat.held, 0)
        # Ready as of now: claims look for what came lately, and the heartbeat may have taken long.
        now = self._engine.clock.now()
        freed = await database.write(queue.take_over, now, LEASE_SECONDS, strays=thorough)
        if freed:
            log.warning("worker.took_over", runs=freed)
        return Renewed(beat.held, freed)

    async def _follow(self, beat: queue.Beat, asked: float) -> None:
        """Corrects our clock: by the database's where it has one, else by the machine's, whatever it did."""
        clock = self._engine.clock
        if not isinstance(clock, SteadyClock):
            return
        step = clock.follow(clock.wall() if beat.at is None else beat.at, asked)
        if step:
            self._engine.instruments.clock_jumps.inc()
            whose = "machine" if beat.at is None else "database"
            log.warning("clock.jumped", seconds=round(step, 1), followed=whose)
        if step < 0:
            await self._engine.database.write(queue.hasten, clock.now())


def _filled_up(known: list[str]) -> list[str]:
    """Repeats the last one: as many as the next power of two, so that there are few different statements."""
    return known + known[-1:] * ((1 << (len(known) - 1).bit_length()) - len(known)) if known else known


def may_judge(since: float, *, forbore: bool) -> bool:
    """Returns whether a worker may declare others dead.

    What held it up itself (a database that was away, a busy machine) may have held up all of them. They
    have until its next renewal; not longer, or nobody would judge where everybody is always late.

    Args:
        since: seconds for which its own lease had not been renewed.
        forbore: it has just let one renewal pass without a judgement.
    """
    return since <= LATE_SECONDS or forbore
