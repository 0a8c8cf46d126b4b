"""The journal on PostgreSQL is cut by the week in which a run began."""

import time

import asyncpg
import pytest
from sqlalchemy import insert, text

from hack.services.databases import administer
from quarterdeck.common.database import open_database, within
from quarterdeck.common.ids import uuid7
from quarterdeck.runtime.store import functions
from quarterdeck.runtime.tables import JOURNAL, METADATA

PARTS = """SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_inherits
    JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'journal'::regclass ORDER BY c.relname"""


@pytest.fixture
async def database(postgres_database):
    url = f"{postgres_database}?schema=agent_runtime"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    yield database
    await database.close()


async def parts(database):
    found = await database.read(lambda connection: connection.execute(text(PARTS)).all())
    assert all(forced for _, forced in found)
    return [name for name, _ in found]


async def test_the_coming_weeks_are_there_and_are_made_again(database, postgres_database):
    at_first = await parts(database)
    assert len(at_first) == functions.WEEKS_AHEAD + 2 and at_first[-1] == "journal_default"
    assert await database.write(functions.keep_partitions) == 0
    administer(postgres_database, f"DROP TABLE agent_runtime.{at_first[3]}")
    assert await database.write(functions.keep_partitions) == 1
    assert await parts(database) == at_first


async def test_a_run_lies_in_the_week_it_began_in(database):
    weeks = {n: uuid7(int((time.time() + n * 7 * 86400) * 1000)) for n in (0, 1, 20, -1)}

    def put(connection):
        within(connection, "t")
        for run in weeks.values():
            row = {"run_id": run, "seq": 1, "tenant_id": "t", "type": "x", "data": b"", "at": 0.0}
            connection.execute(insert(JOURNAL).values(**row))
        found = connection.execute(text("SELECT run_id, tableoid::regclass::text FROM journal")).all()
        return dict(tuple(row) for row in found)

    found = await database.write(put)
    names = await parts(database)
    assert [found[weeks[n]] for n in weeks] == [names[0], names[1], "journal_default", "journal_default"]


async def made(url, weeks):
    """Makes the partition of so many weeks from now, as the platform would have then; returns its name."""
    week = int(time.time() // 604800) + weeks
    name = f"journal_{time.strftime('%Y%m%d', time.gmtime(week * 604800))}"
    owner = await asyncpg.connect(url)
    await owner.execute("SET search_path TO agent_runtime")
    low, high = [await owner.fetchval("SELECT journal_bound($1)", number) for number in (week, week + 1)]
    await owner.execute(f"CREATE TABLE {name} PARTITION OF journal FOR VALUES FROM ('{low}') TO ('{high}')")
    await owner.execute(f"SELECT protect_partition('{name}')")
    await owner.close()
    return name


def put_one(connection, weeks):
    within(connection, "somebody")
    run = uuid7(int((time.time() + weeks * 7 * 86400) * 1000))
    row = {"run_id": run, "seq": 1, "tenant_id": "somebody", "type": "x", "data": b"", "at": 0.0}
    connection.execute(insert(JOURNAL).values(**row))


def count(connection):
    within(connection, "somebody")
    return connection.execute(text("SELECT count(*) FROM journal")).scalar()


def clear(connection):
    within(connection, "somebody")
    connection.execute(text("DELETE FROM journal"))


async def test_past_weeks_in_which_nothing_is_left_are_dropped(database, postgres_database):
    before = await parts(database)
    _empty, full, recent = [await made(postgres_database, weeks) for weeks in (-9, -8, -1)]
    await database.write(put_one, -8)
    assert await database.write(functions.drop_partitions) == 1
    assert set(await parts(database)) == {*before, full, recent}
    assert await database.read(count) == 1
    await database.write(clear)
    assert await database.write(functions.drop_partitions) == 1
    assert set(await parts(database)) == {*before, recent}


async def test_a_reader_of_the_journal_holds_up_nobody_for_long(database, postgres_database):
    name = await made(postgres_database, -9)
    reader = await asyncpg.connect(postgres_database)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT count(*) FROM agent_runtime.journal")
    began = time.monotonic()
    assert await database.write(functions.drop_partitions) == 0
    assert time.monotonic() - began < 5
    assert name in await parts(database)
    await transaction.rollback()
    await reader.close()
    assert await database.write(functions.drop_partitions) == 1
