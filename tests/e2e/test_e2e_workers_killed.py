"""The demo, unchanged, on PostgreSQL, RabbitMQ and Redis, while its three workers are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from e2e_kit.demo import Demo
from e2e_kit.ledger import Books, read_books, wait_for_rows
from e2e_kit.morning import RUN_SECONDS
from e2e_kit.process import pause, wait_for_end
from e2e_kit.shapes import ManyWorkers, serving

# Which of the workers die, one time after the other, as bookings come in.
DEATHS = ((1,), (0,), (2, 1))
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


@pytest.mark.timeout(400)
def test_the_demo_on_real_servers_is_the_same_though_its_workers_are_killed(
    tmp_path: Path,
    month: Path,
    expected: Books,
    postgres_database: str,
    rabbitmq_url: str,
    redis_url: str,
) -> None:
    demo = Demo(tmp_path, month)
    servers = {
        "QD_DATABASE_URL": postgres_database,
        "QD_BUS_URL": f"{rabbitmq_url}?namespace={tmp_path.name}",
        "QD_CACHE_URL": redis_url,
        "QD_RUNTIME_CONCURRENCY": "6",
    }
    platform = ManyWorkers(demo.data_dir, servers, count=3)
    with serving(platform), demo.started() as child:
        while len(holders(postgres_database)) < len(platform.workers):  # the test's own time limit bounds it
            pause()
        for round_, killed in enumerate(DEATHS, 1):
            wait_for_rows(demo.ledger, "bookings", 3 * round_, LONGEST)
            dead = [platform.workers[number] for number in killed]
            for worker in dead:
                platform.kill_one(worker)
            platform.start_again(*dead)
        assert wait_for_end(child, LONGEST) == 0, child.text()
        assert "waits for a person" in child.text()
    assert read_books(demo.ledger) == expected
    uncertain = "SELECT 1 FROM agent_runtime.approvals WHERE source = 'effect' AND state = 'open'"
    assert rows(postgres_database, uncertain) == []
    # Each row holds the events up to its number: as many as its types.
    gaps = """SELECT run_id FROM (
            SELECT run_id, seq - 1 - (length(type) - length(replace(type, ',', ''))) AS before,
                lag(seq, 1, 0) OVER (PARTITION BY run_id ORDER BY seq) AS last FROM agent_runtime.journal
        ) AS appends WHERE before <> last"""
    assert rows(postgres_database, gaps) == []
