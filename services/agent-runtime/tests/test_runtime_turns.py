"""Claiming is fair between tenants, and costs the same however many runs there are."""

import asyncio

import pytest
from sqlalchemy import insert, text

from quarterdeck.common.database import open_database
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.tables import METADATA, RUN_QUEUE

ROW = {"status": "ready", "ready_at": 0.0, "version": 1}
CROWD = """INSERT INTO run_queue (run_id, tenant_id, status, ready_at, priority, worker, epoch, attempts, seq,
        inbox, version)
    SELECT 'r' || lpad(n::text, 8, '0'), CASE WHEN n % 10 = 0 THEN 't' || n % 1000 ELSE 'crowd' END,
        CASE WHEN n % 3 = 0 THEN 'parked' ELSE 'ready' END, n, 0, '', 0, 0, 0, 0, 1
    FROM generate_series(1, 40000) AS n"""


@pytest.fixture
async def database(database_url):
    database = await open_database(database_url, METADATA, "quarterdeck.runtime.migrations")
    yield database
    await database.close()


def put(connection, tenant, count, **more):
    rows = [{"run_id": f"{tenant}-{n:06}", "tenant_id": tenant, **ROW, **more} for n in range(count)]
    connection.execute(insert(RUN_QUEUE), rows)


async def claimed(database, limit, turn=""):
    haul = await database.write(queue.claim, "w", limit, 10.0, turn=turn)
    return [run.tenant_id for run in haul.claims], haul.turn


async def test_a_tenant_does_not_wait_behind_anothers_crowd(database):
    await database.write(put, "crowd", 500)
    for tenant in ("b", "d"):
        await database.write(put, tenant, 3, ready_at=5.0)
    tenants, _ = await claimed(database, 8)
    assert sorted(tenants) == ["b", *["crowd"] * 6, "d"]


async def test_turns_go_on_where_the_last_claim_ended(database):
    for tenant in "abcde":
        await database.write(put, tenant, 10)
    turn, had = "", []
    for _ in range(5):
        tenants, turn = await claimed(database, 1, turn)
        had += tenants
    assert had == list("abcde")
    tenants, turn = await claimed(database, 1, turn)
    assert turn == "" or tenants == ["a"]


async def test_within_a_tenant_the_most_urgent_goes_first(database):
    await database.write(put, "a", 1, priority=1, ready_at=3.0)
    await database.write(put, "b", 1, priority=1, ready_at=99.0)
    row = {"tenant_id": "a", **ROW}
    more = [
        {"run_id": "late", **row, "priority": 2, "ready_at": 4.0},
        {"run_id": "low", **row, "priority": 0},
    ]
    await database.write(lambda connection: connection.execute(insert(RUN_QUEUE), more).rowcount)
    haul = await database.write(queue.claim, "w", 3, 10.0)
    assert [run.run_id for run in haul.claims] == ["late", "a-000000", "low"]
    assert len({run.run_id for run in haul.claims}) == 3


async def test_two_workers_never_claim_the_same(database):
    for tenant in "abcdefgh":
        await database.write(put, tenant, 40)
    workers = [database.write(queue.claim, f"w{n}", 16, 10.0) for n in range(20)]
    runs = [run.run_id for haul in await asyncio.gather(*workers) for run in haul.claims]
    assert len(runs) == len(set(runs)) == 320


async def test_no_claim_scans_the_queue(postgres_database):
    """The plans of everything that a claim asks, on a server with a crowd: only indexes, nothing sorted."""
    url = f"{postgres_database}?schema=agent_runtime"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    await database.write(lambda connection: connection.execute(text(CROWD)).rowcount)
    await database.write(lambda connection: connection.execute(text("ANALYZE run_queue")) and None)
    plans = []

    def explained(connection):
        asked = []
        cursor = type(connection.connection.cursor())
        execute = cursor.execute

        def record(self, statement, parameters=()):
            asked.append((statement, parameters))
            return execute(self, statement, parameters)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cursor, "execute", record)
            queue.claim_and_look(connection, "w", 32, 1e9, idle=True)
        for statement, parameters in asked:
            if "run_queue" in statement:
                cursor = connection.connection.cursor()
                cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                plans.append(str(cursor.fetchall()[0][0]))

    await database.write(explained)
    await database.close()
    assert len(plans) >= 4
    for plan in plans:
        assert "Index" in plan and "Seq Scan" not in plan and '"Sort"' not in plan
