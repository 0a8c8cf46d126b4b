"""The journal on PostgreSQL is cut by the week in which a run began."""

import time

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
