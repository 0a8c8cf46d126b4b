"""Two workers on PostgreSQL share a morning's runs, and are killed while they are at it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from e2e_kit.ledger import Books, read_books, wait_for_rows
from e2e_kit.month import copy_example
from e2e_kit.morning import RUN_SECONDS, start_morning
from e2e_kit.process import pause
from e2e_kit.shapes import TwoWorkers, serving

# Long enough that a kill finds a booking under way.
SLOW = 0.5
# A dead worker's lease has to run out first.
LONGEST = RUN_SECONDS + 60.0


def rows(url: str, query: str) -> list[Any]:
    """Returns what is in the platform's database, as its superuser."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    return asyncio.run(ask())


def holders(url: str) -> set[str]:
    """Returns the workers that hold runs at this moment."""
    held = "SELECT DISTINCT worker FROM agent_runtime.run_queue WHERE status = 'held'"
    return {row["worker"] for row in rows(url, held)}


@pytest.mark.timeout(300)
def test_the_ledger_is_the_same_though_workers_were_killed(
    tmp_path: Path, month: Path, expected: Books, postgres_database: str
) -> None:
    ledger = tmp_path / "data" / "ledger.db"
    slow = {"LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(SLOW)}
    example = copy_example(tmp_path / "example", month, ledger, slow)
    few = {"QD_RUNTIME_CONCURRENCY": "6"}
    platform = TwoWorkers(tmp_path / "data", postgres_database, few)
    with serving(platform):
        run = start_morning(platform, example)
        while len(holders(postgres_database)) < 2:  # the test's own time limit bounds it
            pause()
        wait_for_rows(ledger, "bookings", 3, RUN_SECONDS)
        platform.kill_one(platform.SECOND)
        wait_for_rows(ledger, "bookings", 6, RUN_SECONDS)
        platform.start_one(platform.SECOND)
        platform.kill_one("agent-runtime")
        wait_for_rows(ledger, "bookings", 9, LONGEST)
        platform.start_one("agent-runtime")
        with platform.client() as client:
            client.wait_until_only_people(run, LONGEST)
        assert read_books(ledger) == expected
    uncertain = "SELECT 1 FROM agent_runtime.approvals WHERE source = 'effect' AND state = 'open'"
    assert rows(postgres_database, uncertain) == []
    gaps = """SELECT run_id FROM agent_runtime.journal GROUP BY run_id
        HAVING count(*) <> max(seq) OR min(seq) <> 1"""
    assert rows(postgres_database, gaps) == []
