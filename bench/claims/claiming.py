"""What a claim costs: the runtime's own claimer, on a queue that keeps its size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from filling import CROWD, LIMIT, recorded
from sqlalchemy import Connection, text

from quarterdeck.common.clock import SystemClock
from quarterdeck.common.database import Database
from quarterdeck.runtime.claims.claimer import Claimer
from quarterdeck.runtime.claims.ring import Ring, Strand
from quarterdeck.runtime.claims.shares import Share
from quarterdeck.runtime.claims.slots import Slots
from quarterdeck.runtime.store import claiming, queue, strands
from quarterdeck.runtime.store.queue import Claim

# What asking an index for its first entry costs: the usual way to claim from a table.
_USUAL = text(
    """
    SELECT run_id FROM run_queue WHERE status = 'ready' AND attempts < 2 AND tenant_id <> :crowd
    AND ready_at <= :now ORDER BY ready_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one claim."""

    median: float
    p99: float


def cost_of(seconds: list[float]) -> Cost:
    """Summarises measured claims."""
    ordered = sorted(seconds)
    return Cost(statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99) - 1] * 1000)


def share_of(tenant_id: str) -> Share:
    """The crowd has a limit; nobody else has."""
    return Share(running=LIMIT) if tenant_id == CROWD else Share()


class Claims:
    """One worker that claims; what it claimed ends, and as much becomes ready."""

    def __init__(self, database: Database) -> None:
        self.seconds: list[float] = []
        self.looks: list[float] = []
        self._database = database
        self._engine: Any = SimpleNamespace(
            database=database, clock=SystemClock(), worker="bench", share_of=share_of
        )
        self._claimer = Claimer(self._engine)
        self._look = self._claimer._look
        self._claimer._look = self._timed_look  # type: ignore[method-assign]
        self._number = 0

    async def _timed_look(self, now: float) -> None:
        began = time.perf_counter()
        await self._look(now)
        self.looks.append(time.perf_counter() - began)

    async def get_to_know(self) -> float:
        """Lets the claimer find every strand; returns the seconds that took."""
        await self._database.write(queue.heartbeat, "bench", time.time())
        began = time.perf_counter()
        while self._claimer._patrol is not None:
            await self.once(1)
        return time.perf_counter() - began

    async def once(self, room: int) -> None:
        """Claims with room for so many runs, and notes the seconds that took."""
        began, looks = time.perf_counter(), len(self.looks)
        haul = await self._claimer.claim(room, idle=False)
        if haul.claims:
            self.seconds.append(time.perf_counter() - began - sum(self.looks[looks:]))
        for claim in haul.claims:
            assert claim.tenant_id != CROWD
            self._claimer.begins(claim.tenant_id, claim.lane)
        await self._database.write(self._renew, haul.claims)
        for claim in haul.claims:
            self._claimer.ended(claim.tenant_id, claim.lane)

    def _renew(self, connection: Connection, claims: list[Claim]) -> None:
        """Ends the runs; each tenant gets a new one for each."""
        for claim in claims:
            self._number += 1
            values = {"run": claim.run_id, "tenant": claim.tenant_id, "now": time.time()}
            connection.execute(text("DELETE FROM run_queue WHERE run_id = :run"), values)
            connection.execute(_NEW, {**values, "new": f"new-{id(self)}-{self._number}"})


_NEW = text(
    """
    INSERT INTO run_queue
        (run_id, tenant_id, status, ready_at, priority, worker, epoch, attempts, seq, inbox, version)
    VALUES (:new, :tenant, 'ready', :now, 0, '', 0, 0, 0, 0, 1)
    """
)


async def in_turn(workers: Mapping[int, Claims], rounds: int, room: int) -> None:
    """Has each claim once in every round, so that what the machine does besides falls on all alike."""
    for worker in workers.values():
        worker.seconds.clear()
        worker.looks.clear()
    for _ in range(rounds):
        for worker in workers.values():
            await worker.once(room)


async def renewing(database: Database, times: int) -> Cost:
    """Returns what it costs a worker to renew its lease and to look for dead workers."""

    def renew(connection: Connection) -> None:
        queue.heartbeat(connection, "bench", time.time(), ["run-000000010"] * 64)
        queue.take_over(connection, time.time(), 60.0, strays=False)

    return cost_of([await _seconds_of(database, renew) for _ in range(times)])


async def _seconds_of(database: Database, work: Callable[[Connection], None]) -> float:
    began = time.perf_counter()
    await database.write(work)
    return time.perf_counter() - began


async def usual_way(database: Database, claims: int) -> Cost:
    """Returns what it costs to ask for the oldest ready run (of anybody but the crowd)."""

    def ask(connection: Connection) -> None:
        connection.execute(_USUAL, {"crowd": CROWD, "now": time.time()}).all()

    return cost_of([await _seconds_of(database, ask) for _ in range(claims)])


@dataclass(frozen=True, slots=True)
class Plan:
    """How the server answers a statement, and how many pages of its tables that takes."""

    statement: str
    text: str
    pages: int


class _Seen(Exception):
    """Undoes what was only done to be looked at."""

    def __init__(self, plans: list[Plan]) -> None:
        super().__init__("seen")
        self.plans = plans


async def plans(database: Database) -> list[Plan]:
    """Returns the plans of everything that a look and a claim of 32 runs ask of the queue."""
    try:
        await database.write(_look_and_claim)
    except _Seen as seen:
        return seen.plans
    raise AssertionError("it was not undone")


def _look_and_claim(connection: Connection) -> None:
    now = time.time()
    with recorded(connection) as asked:
        sight = strands.look(connection, (now - 60.0, "", "", 0), None, now)
        known = strands.look(connection, (now, "", "", 0), Strand("", "", 0), now)
        ring = Ring(share_of, Slots())
        ring.see(sight.found + known.found)
        claiming.take(connection, "bench", ring.choose(32, now), {}, now)
    raise _Seen([_plan(connection, *one) for one in asked if "run_queue" in one[0]])


def _plan(connection: Connection, statement: str, parameters: Any) -> Plan:
    cursor: Any = connection.connection.cursor()
    cursor.execute("SET LOCAL enable_seqscan = on")
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}", parameters)
    lines = [row[0] for row in cursor.fetchall()]
    shared = next((line for line in lines if "Buffers: shared" in line), "")
    pages = sum(int(part.partition("=")[2]) for part in shared.split() if part.startswith(("hit=", "read=")))
    return Plan(statement.strip(), "\n".join(lines), pages)
