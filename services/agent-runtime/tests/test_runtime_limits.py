"""Limits on runs worked on at once: what a worker knows of them, and what the database gives."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.common.database import open_database
from quarterdeck.runtime.claims.slots import Slots
from quarterdeck.runtime.store import allotments, queue
from quarterdeck.runtime.store.allotments import Grant, Need
from quarterdeck.runtime.tables import ALLOTMENTS, METADATA

WHOLE = ("t", "")


# -- what a worker knows ------------------------------------------------------------------------


def test_a_worker_may_have_what_the_limit_leaves():
    slots = Slots()
    assert slots.free(WHOLE, 0, 0.0) > 1_000_000
    slots.take("t", "agent")
    assert (slots.free(WHOLE, 3, 0.0), slots.free(("t", "agent"), 1, 0.0)) == (2, 0)
    slots.learn({WHOLE: 2}, {WHOLE: True}, 0.0)
    assert slots.free(WHOLE, 9, 0.0) == 1
    assert slots.free(WHOLE, 9, 60.0) == 8
    slots.give("t", "agent")
    assert slots.free(WHOLE, 3, 60.0) == 3


def test_only_what_was_filled_lately_is_kept():
    slots = Slots()
    slots.learn({WHOLE: 5}, {WHOLE: False}, 0.0)
    for _ in range(3):
        slots.take("t", "")
    slots.give("t", "")
    assert slots.needed() == {WHOLE: 3}
    assert slots.needed() == {WHOLE: 2}
    slots.give("t", "")
    slots.give("t", "")
    assert slots.needed() == {} and not slots.has_allotments


# -- what the database gives --------------------------------------------------------------------


@pytest.fixture
async def database(database_url):
    database = await open_database(database_url, METADATA, "quarterdeck.runtime.migrations")
    for worker in ("one", "two"):
        await database.write(queue.heartbeat, worker, 1.0)
    yield database
    await database.close()


async def ask(database, worker, more, *, used=0, granted=0, limit=4):
    return await database.write(allotments.grant, worker, Need(WHOLE, limit, used, granted, more))


async def given(database):
    def look(connection):
        rows = connection.execute(select(ALLOTMENTS.c.worker, ALLOTMENTS.c.slots))
        return {row.worker: row.slots for row in rows if row.slots}

    return await database.read(look)


async def test_all_workers_together_never_have_more_than_the_limit(database):
    assert await ask(database, "one", 3) == Grant(3, 3)
    assert await ask(database, "two", 3) == Grant(1, 1, full=True)
    assert await ask(database, "one", 1, used=3, granted=3) == Grant(0, 3, full=True)
    assert await ask(database, "one", 2, used=1, granted=3) == Grant(2, 3)
    assert await given(database) == {"one": 3, "two": 1}


async def test_what_lay_idle_is_for_others(database):
    await ask(database, "one", 4)
    await database.write(allotments.trim, "one", {WHOLE: 1})
    assert await given(database) == {"one": 1}
    assert await ask(database, "two", 4) == Grant(3, 3, full=True)
    await database.write(allotments.trim, "two", {})
    assert await given(database) == {"one": 1}


async def test_the_slots_of_the_dead_come_back_and_the_dead_get_none(database):
    await ask(database, "one", 4)
    await database.write(queue.take_over, 0.0, 0.0, everybody=True)
    assert await given(database) == {}
    # It counts on four, and fills two of them: it was frozen, and does not know.
    assert await ask(database, "one", 1, used=2, granted=4) == Grant(0, 0, full=True)
    await database.write(queue.heartbeat, "two", 1.0)
    assert await ask(database, "two", 9) == Grant(4, 4, full=True)
    await database.write(queue.leave, "two", 0.0)
    assert await given(database) == {}


async def test_workers_that_ask_at_once_get_no_more_together(database):
    answers = await asyncio.gather(*(ask(database, worker, 3) for worker in ("one", "two") * 5))
    assert sum((await given(database)).values()) <= 4
    assert any(answer.more for answer in answers)
