"""Both adapters: shared commits, savepoints, clear errors."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from quarterdeck.common.database import open_database
from quarterdeck.common.errors import NotFound, Unavailable

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True))


def add(connection, number):
    connection.execute(insert(THINGS).values(id=number))
    return number


def add_many(connection, numbers):
    connection.execute(insert(THINGS), [{"id": number} for number in numbers])
    return [NotFound("thirteen") if number == 13 else number for number in numbers]


def count(connection):
    return len(connection.execute(select(THINGS)).all())


def refuse(connection):
    add(connection, 1000)
    raise NotFound("nothing here")


@pytest.fixture
async def database(database_url):
    database = await open_database(database_url, METADATA)
    yield database
    await database.close()


async def test_concurrent_writes_are_all_kept(database):
    numbers = await asyncio.gather(*(database.write(add, n) for n in range(500)))
    assert numbers == list(range(500))
    assert await database.read(count) == 500


async def test_a_failing_write_is_undone_alone(database):
    await database.write(add, 1)
    writes = (database.write(add, 2), database.write(add, 1), database.write(refuse), database.write(add, 3))
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert results[0] == 2 and results[3] == 3
    assert isinstance(results[1], Exception) and isinstance(results[2], NotFound)
    assert await database.read(count) == 3
    with pytest.raises(NotFound, match="nothing here"):
        await database.write(refuse)
    assert await database.read(count) == 3


async def test_items_are_written_together_and_answered_alone(database):
    results = await asyncio.gather(
        *(database.write_together(add_many, n) for n in (*range(40), 7)), return_exceptions=True
    )
    assert [r for r in results if not isinstance(r, Exception)] == [n for n in range(40) if n != 13]
    assert isinstance(results[13], NotFound) and isinstance(results[40], Exception)
    assert await database.read(count) == 40


async def test_readers_cannot_write(database):
    with pytest.raises(Exception, match=r"readonly|cannot be written"):
        await database.read(add, 1)
    assert await database.read(count) == 0


async def test_a_reader_may_refuse(database):
    for _ in range(20):
        with pytest.raises(NotFound):
            await database.read(lambda connection: (_ for _ in ()).throw(NotFound("no")))
    assert await database.read(count) == 0


async def test_a_caller_that_leaves_disturbs_nobody(database):
    tasks = [asyncio.create_task(database.write(add, n)) for n in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[1::2] == list(range(1, 50, 2))


async def test_it_can_be_checked(database):
    await database.check()


async def test_closed_database_says_so(database_url):
    database = await open_database(database_url, METADATA)
    pending = asyncio.create_task(database.write(add, 1))
    await asyncio.sleep(0)
    await database.close()
    assert await pending == 1
    with pytest.raises(Unavailable, match="closed"):
        await database.write(add, 2)
    with pytest.raises(Unavailable, match="closed"):
        await database.read(count)


async def test_corrupt_file_is_named(tmp_path):
    path = tmp_path / "bad.db"
    path.write_bytes(b"this is not a database, " * 100)
    with pytest.raises(Unavailable, match=r"bad\.db is corrupt") as caught:
        await open_database(f"sqlite:///{path}", METADATA)
    assert "backup" in caught.value.hint


async def test_what_is_open_comes_back(database_url):
    first = await open_database(database_url, METADATA)
    await first.write(add, 1)
    await first.close()
    second = await open_database(database_url, METADATA)
    assert await second.read(count) == 1
    await second.close()
