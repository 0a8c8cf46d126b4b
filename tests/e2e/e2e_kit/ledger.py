"""What is on disk: the ledger itself, and what the platform recorded about it. Read only."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e_kit.month import Example
from e2e_kit.process import pause
from quarterdeck.runtime.store.packing import entries

Line = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Books:
    """What a month led to, without ids and times: equal for equal ledgers.

    Args:
        lines: every line that stands as (entry reference, file, cents), sorted, as often as booked.
        waiting: entry references that wait for a person, sorted.
        bookings: how many bookings were ever made, those taken back included.
    """

    lines: Sequence[Line]
    waiting: Sequence[str]
    bookings: int


def read_books(ledger: Path) -> Books:
    """Reads a ledger, also while its server is at work."""
    from score import canonical_bookings

    waiting = query(ledger, "select entry_ref from transactions where review = 'waiting' order by entry_ref")
    made = query(ledger, "select count(*) from bookings")[0][0]
    lines = sorted((entry, Path(file).name, cents) for entry, file, cents in canonical_bookings(ledger))
    return Books(lines, [row[0] for row in waiting], made)


def direct_run(example: Example, ledger: Path) -> Books:
    """Runs the rules and tools in this process, without the platform, on a new ledger: what must come out."""
    from offline import run_month

    asyncio.run(run_month(example.month, ledger))
    return read_books(ledger)


def bookings_made(ledger: Path) -> int:
    """Returns how many bookings a ledger holds; 0 while there is none."""
    return rows_in(ledger, "bookings")


def rows_in(ledger: Path, table: str) -> int:
    """Returns how many rows a table of a ledger has; 0 before it is made."""
    found = f"select count(*) from sqlite_master where name = '{table}'"
    if not ledger.exists() or not query(ledger, found)[0][0]:
        return 0
    return int(query(ledger, f"select count(*) from {table}")[0][0])


def wait_for_rows(ledger: Path, table: str, count: int, seconds: float) -> None:
    """Waits until a table of a ledger has so many rows. Raises AssertionError if it takes longer."""
    deadline = time.monotonic() + seconds
    while rows_in(ledger, table) < count:
        assert time.monotonic() < deadline, f"only {rows_in(ledger, table)} {table} after {seconds:g} s"
        pause()


def query(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """Returns the rows of a query."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def unrecorded_bookings(data_dir: Path) -> int:
    """Returns how many bookings of a dead platform stand in the ledger without an outcome in a journal.

    An outcome is that of the booking itself, or of the check that found it.
    """
    ledger, runtime = data_dir / "ledger.db", data_dir / "agent-runtime.db"
    if not bookings_made(ledger):
        return 0
    effects: set[tuple[str, str]] = set()
    recorded = 0
    statement = "select run_id, seq, type, data, at from journal order by run_id, seq"
    for run, entry in ((run, entry) for run, *row in query(runtime, statement) for entry in entries(*row)):
        data = entry.event().data
        if entry.type == "effect.intent":
            if data["kind"] == "check" or data["target"].get("tool") == "book":
                effects.add((run, data["effect"]))
        elif entry.type == "effect.outcome" and data["status"] == "ok" and (run, data["effect"]) in effects:
            recorded += 1
    return bookings_made(ledger) - recorded


def uncertain_approvals(data_dir: Path) -> list[str]:
    """Returns the ids of open questions about effects whose outcome nobody knows."""
    statement = "select approval_id from approvals where source = 'effect' and state = 'open'"
    return [row[0] for row in query(data_dir / "agent-runtime.db", statement)]
