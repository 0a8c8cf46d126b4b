"""The SQLite adapter: shared commits, savepoints, clear errors."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from quarterdeck.common.database import open_database
from quarterdeck.common.errors import Unavailable

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True))


def add(connection, number):
    connection.execute(insert(THINGS).values(id=number))
    return number


def count(connection):
    return len(connection.execute(select(THINGS)).all())


@pytest.fixture
async def database(tmp_path):
    database = await open_database(f"sqlite:///{tmp_path}/a.db", METADATA)
    yield database
    await database.close()


async def test_concurrent_writes_are_all_kept(database):
    numbers = await asyncio.gather(*(database.write(add, n) for n in range(500)))
    assert numbers == list(range(500))
    assert await database.read(count) == 500


async def test_a_failing_write_is_undone_alone(database):
    await database.write(add, 1)
    results = await asyncio.gather(*(database.write(add, n) for n in (2, 1, 3)), return_exceptions=True)
    assert results[0] == 2 and results[2] == 3 and isinstance(results[1], Exception)
    assert await database.read(count) == 3


async def test_readers_cannot_write(database):
    with pytest.raises(Exception, match=r"readonly|cannot be written"):
        await database.read(add, 1)
    assert await database.read(count) == 0


async def test_corrupt_file_is_named(tmp_path):
    path = tmp_path / "bad.db"
    path.write_bytes(b"this is not a database, " * 100)
    with pytest.raises(Unavailable, match=r"bad\.db is corrupt") as caught:
        await open_database(f"sqlite:///{path}", METADATA)
    assert "backup" in caught.value.hint


async def test_closed_database_says_so(tmp_path):
    database = await open_database(f"sqlite:///{tmp_path}/a.db", METADATA)
    await database.close()
    with pytest.raises(Unavailable, match="closed"):
        await database.write(add, 1)
