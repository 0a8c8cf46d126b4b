"""Queues of any size, filled by the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common.database import Database, open_database
from quarterdeck.runtime.tables import METADATA

TENANTS = 10_000
CROWD = "tenant-crowd"
LIMIT = 50

_INTO_QUEUE = """
    INSERT INTO run_queue
        (tenant_id, status, ready_at, priority, worker, epoch, attempts, seq, inbox, version, run_id)
"""
# Nine of ten runs are the crowd's and ready. Of the others every second is ready, the rest parked.
_RUNS = f"""{_INTO_QUEUE}
    SELECT CASE WHEN n % 10 > 0 THEN '{CROWD}' ELSE 'tenant-' || lpad((n / 10 % {{tenants}})::text, 6, '0')
        END,
        CASE WHEN n % 10 > 0 OR (n / 10 - 1) / {{tenants}} % 2 = 0 THEN 'ready' ELSE 'parked' END,
        {{now}} - 3600 + n * 3600.0 / {{runs}}, 0, '', 0, 0, 0, 0, 1, 'run-' || lpad(n::text, 9, '0')
    FROM generate_series(1, {{runs}}) AS n
"""
# The crowd's limit is used up by a worker that is not this one.
_OTHERS = f"INSERT INTO allotments VALUES ('{CROWD}', '', 'another', {LIMIT}, 1)"
# What was claimed and ended while somebody's transaction was open: rows that nobody may remove.
_DEAD = (
    f"""{_INTO_QUEUE}
    SELECT 'tenant-' || lpad((n % {TENANTS})::text, 6, '0'), 'ready', {{now}} - 7200 + n * 600.0 / {{runs}},
        0, '', 0, 0, 0, 0, 1, 'old-' || n
    FROM generate_series(1, {{runs}}) AS n
    """,
    "UPDATE run_queue SET status = 'held', worker = 'gone' WHERE run_id LIKE 'old-%'",
    "DELETE FROM run_queue WHERE run_id LIKE 'old-%'",
)
_PARKED = f"""{_INTO_QUEUE}
    SELECT 'tenant-' || lpad((n % 1000)::text, 6, '0'), 'parked', 0, 0, '', 1, 0, 5, 0, 1,
        'parked-' || lpad(n::text, 9, '0')
    FROM generate_series(1, {{runs}}) AS n
"""
# The first are due at one moment, the others one after the other over so many seconds.
_TIMERS = """
    INSERT INTO timers (run_id, timer, tenant_id, due)
    SELECT run_id, 'wait:pause', tenant_id,
        CASE WHEN n <= {burst} THEN {moment} ELSE {begin} + n * {spread} / {runs} END
    FROM (SELECT run_id, tenant_id, row_number() OVER (ORDER BY run_id) AS n FROM run_queue) AS parked
"""
_EMPTY = "TRUNCATE run_queue, timers, allotments, inbox, workers"
_SEEN = ("ANALYZE run_queue", "ANALYZE timers")


@dataclass(slots=True)
class Queue:
    """One schema of the runtime; `database` is bound by row-level security, as the service is."""

    url: str
    schema: str
    database: Database

    async def execute(self, *statements: str, **values: float) -> None:
        """Executes statements one by one, as the server's administrator."""
        import asyncpg

        connection = await asyncpg.connect(self.url, server_settings={"search_path": self.schema})
        try:
            for statement in statements:
                await connection.execute(statement.format(**values))
        finally:
            await connection.close()

    async def fill(self, runs: int, now: float) -> None:
        """Makes so many open runs, and no others."""
        tenants = min(TENANTS, max(1, runs // 20))
        await self.execute(_EMPTY, _RUNS, _OTHERS, *_SEEN, runs=runs, tenants=tenants, now=now)

    async def leave_dead(self, runs: int, now: float) -> None:
        """Leaves what so many claimed and ended runs leave while an old transaction is open."""
        await self.execute(*_DEAD, runs=runs, now=now)

    async def fill_timers(self, runs: int, **when: float) -> None:
        """Parks so many runs, each with a timer; see `_TIMERS`."""
        await self.execute(_EMPTY, _PARKED, _TIMERS, *_SEEN, runs=runs, **when)

    async def park(self, runs: int) -> None:
        """Parks so many runs that wait for a signal."""
        await self.execute(_EMPTY, _PARKED, *_SEEN, runs=runs)


async def open_queue(url: str, schema: str) -> Queue:
    """Makes a schema of the runtime, by its migrations."""
    address = f"{url}?schema={schema}&pool=4"
    return Queue(url, schema, await open_database(address, METADATA, "quarterdeck.runtime.migrations"))


@asynccontextmanager
async def idle_transaction(url: str) -> Any:
    """Has a transaction open, with a snapshot and a number of its own, that does nothing."""
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        await connection.fetchval("SELECT txid_current()")
        yield
        await transaction.rollback()
    finally:
        await connection.close()


@contextmanager
def recorded(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Collects (statement, parameters) of everything that goes to the server meanwhile."""
    cursor: Any = type(connection.connection.cursor())
    execute, many = cursor.execute, cursor.executemany
    asked: list[tuple[str, Any]] = []

    def one(self: Any, statement: str, parameters: Any = ()) -> Any:
        asked.append((statement, parameters))
        return execute(self, statement, parameters)

    def each(self: Any, statement: str, rows: Any) -> Any:
        asked.append((statement, rows[0]))
        return many(self, statement, rows)

    cursor.execute, cursor.executemany = one, each
    try:
        yield asked
    finally:
        cursor.execute, cursor.executemany = execute, many
