"""Writes that share a transaction go in the order of the rows that they wait for."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, update

from quarterdeck.common.database import LAST, Placed, open_database

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("size", Integer))


@pytest.fixture
async def databases(postgres_database):
    url = f"{postgres_database}?schema=things"
    both = [await open_database(url, METADATA) for _ in range(2)]
    yield both
    for database in both:
        await database.close()


def put(connection):
    connection.execute(insert(THINGS), [{"id": number, "size": 0} for number in range(20)])


def grow(connection, number, noted):
    connection.execute(update(THINGS).where(THINGS.c.id == number).values(size=THINGS.c.size + 1))
    noted.append(number)


async def test_they_go_by_their_places_those_without_one_first(databases):
    database, noted = databases[0], []
    await database.write(put)
    places = {3: "c", 1: "a", 9: LAST, 2: "b"}
    writes = [database.write(Placed(grow, place), number, noted) for number, place in places.items()]
    await asyncio.gather(*writes, database.write(grow, 0, noted))
    assert noted == [0, 1, 2, 3, 9]


async def test_two_processes_that_want_the_same_rows_do_not_wait_in_a_circle(databases):
    """A function that meets a deadlock is called again, so that it notes its number twice."""
    await databases[0].write(put)
    noted = []
    for _ in range(5):
        writes = [
            database.write(Placed(grow, f"{number:02}"), number, noted)
            for database, step in zip(databases, (1, -1), strict=True)
            for number in range(20)[::step]
        ]
        await asyncio.gather(*writes)
    assert len(noted) == 5 * 2 * 20


def test_a_placed_function_is_called_as_the_function_is():
    placed = Placed(grow, "x")
    assert placed.__name__ == "grow"
    assert Placed(lambda a, *, b: (a, b), "x")(1, b=2) == (1, 2)
