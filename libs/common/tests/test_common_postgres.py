"""The PostgreSQL adapter: shared commits, and what a lost connection, a lock or a bad server means."""

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text, update

from hack.services.databases import administer
from quarterdeck.common.constants import ONE_AT_A_TIME
from quarterdeck.common.database import OutcomeUnknown, open_database, serialize
from quarterdeck.common.database.address import read_address
from quarterdeck.common.database.postgres import ANSWERS, PostgresDatabase
from quarterdeck.common.errors import Unavailable

METADATA = MetaData()
THINGS = Table(
    "things", METADATA, Column("id", Integer, primary_key=True), Column("size", Integer, default=0)
)


def add(connection, number):
    connection.execute(insert(THINGS).values(id=number))
    return connection.execute(text("SELECT pg_current_xact_id()::text")).scalar()


def numbers(connection):
    return sorted(connection.execute(select(THINGS.c.id)).scalars())


@pytest.fixture
async def database(postgres_database):
    database = await open_database(f"{postgres_database}?schema=things", METADATA)
    yield database
    await database.close()


async def test_writes_share_transactions(database):
    transactions = await asyncio.gather(*(database.write(add, n) for n in range(200)))
    assert len(set(transactions)) < 20
    alone = [await database.write(add, n) for n in range(1000, 1005)]
    assert len(set(alone)) == 5


async def test_writes_that_wait_for_each_other_go_in_one_lane(postgres_database):
    """More lanes would wait for the lock that one of them holds until its whole collection is committed."""
    alone = MetaData(info={ONE_AT_A_TIME: True})
    THINGS.to_metadata(alone)
    database = await open_database(f"{postgres_database}?schema=things", alone)
    lanes = []

    def add_in_turn(connection, number):
        serialize(connection, "things")
        lanes.append(len(database._lanes))
        add(connection, number)

    try:
        await asyncio.gather(*(database.write(add_in_turn, n) for n in range(300)))
        assert set(lanes) == {1}
        assert await database.read(numbers) == list(range(300))
    finally:
        await database.close()


async def test_those_who_wait_for_one_commit_go_on_a_few_at_a_time(database):
    """A hundred that go on in one turn of the event loop would hold it for as long as all of them take."""
    went_on, most = 0, 0

    def together(connection, items):
        return [add(connection, n) for n in items]

    async def writer(number, write):
        nonlocal went_on
        await write(number)
        went_on += 1

    async def others():
        nonlocal most
        while True:
            before = went_on
            await asyncio.sleep(0)
            most = max(most, went_on - before)

    beside = asyncio.create_task(others())
    for base, write in (
        (0, lambda n: database.write(add, n)),
        (1000, lambda n: database.write_together(together, n)),
    ):
        await asyncio.gather(*(writer(base + n, write) for n in range(100)))
    beside.cancel()
    assert went_on == 200
    assert 1 < most <= ANSWERS


async def test_an_idle_writer_does_not_wait(database, monkeypatch):
    """After a crowd, too: the delay is for those that follow each other closely."""
    slept = []
    sleep = asyncio.sleep

    async def recording(seconds):
        slept.append(seconds)
        await sleep(seconds)

    await asyncio.gather(*(database.write(add, n) for n in range(100)))
    await sleep(0.05)
    monkeypatch.setattr(asyncio, "sleep", recording)
    await database.write(add, 1000)
    assert slept == []


class Door:
    """A way to the server that can be shut at a moment of one's choosing."""

    def __init__(self, url):
        self._target = urlsplit(url)
        self.cut_after = b""
        self._cutting = False
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._target.netloc.rpartition("@")
        self.url = self._target._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await asyncio.sleep(0.05)

    def cut(self):
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader, writer):
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, there[1]}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pass(reader, there[1], True), self._pass(there[0], writer, False))

    async def _pass(self, reader, writer, outwards):
        while data := await reader.read(65536):
            if not outwards and self._cutting:
                return
            last = outwards and self.cut_after and self.cut_after in data
            self._cutting |= bool(last)
            writer.write(data)
            if last:
                await asyncio.sleep(0.05)
                self.cut_after, self._cutting = b"", False
                self.cut()
                return
        writer.close()


async def test_a_commit_without_a_reply_is_unknown(postgres_database):
    async with Door(postgres_database) as door:
        database = await open_database(f"{door.url}?schema=things", METADATA)
        await database.write(add, 1)
        door.cut_after = b"COMMIT"
        with pytest.raises(OutcomeUnknown):
            await database.write(add, 2)
        assert await database.read(numbers) == [1, 2]
        door.cut_after = b"COMMIT"
        results = await asyncio.gather(
            *(database.write(add, n) for n in range(10, 15)), return_exceptions=True
        )
        assert all(isinstance(result, OutcomeUnknown) for result in results)
        await database.close()


async def test_a_statement_by_itself_without_a_reply_is_unknown(postgres_database):
    def add_many(connection, items):
        connection.execute(insert(THINGS), [{"id": item} for item in items])
        return items

    async with Door(postgres_database) as door:
        database = await open_database(f"{door.url}?schema=things", METADATA)
        await database.write_together(add_many, 1)
        door.cut_after = b"\x00\x00\x00\x04"  # the number is sent in binary
        with pytest.raises(OutcomeUnknown):
            await database.write_together(add_many, 4)
        assert await database.read(numbers) == [1, 4]
        await database.close()


async def test_what_was_lost_before_the_commit_is_done_again(postgres_database):
    async with Door(postgres_database) as door:
        database = await open_database(f"{door.url}?schema=things", METADATA)
        await database.write(add, 1)
        door.cut_after = b"INSERT"
        await database.write(add, 2)
        door.cut_after = b"SELECT"
        assert await database.read(numbers) == [1, 2]
        await database.close()


async def test_a_restart_is_noticed_once_and_survived(postgres_database, postgres_url):
    database = await open_database(f"{postgres_database}?schema=things", METADATA)
    await asyncio.gather(*(database.write(add, n) for n in range(100)))
    name = urlsplit(postgres_database).path.lstrip("/")
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    administer(postgres_url, cut)
    await asyncio.gather(*(database.write(add, n) for n in range(100, 150)))
    assert len(await database.read(numbers)) == 150
    await database.close()


async def test_an_absent_server_is_named_and_awaited(postgres_database):
    async with Door(postgres_database) as door:
        database = await open_database(f"{door.url}?schema=things", METADATA)
        door._server.close()
        door.cut()
        with pytest.raises(Unavailable, match="is away") as caught:
            await database.write(add, 1)
        assert caught.value.reason == "DatabaseAway" and not isinstance(caught.value, OutcomeUnknown)
        with pytest.raises(Unavailable, match="is away"):
            await database.check()
        door._server = await asyncio.start_server(door._serve, "127.0.0.1", urlsplit(door.url).port)
        await database.write(add, 1)
        await database.check()
        await database.close()


async def problem(url):
    with pytest.raises(Unavailable) as caught:
        await open_database(url, METADATA)
    assert "secret" not in caught.value.message
    return caught.value.reason


async def test_bad_addresses_are_explained(postgres_database):
    parts = urlsplit(postgres_database)
    host = parts.netloc.rpartition("@")[2]
    assert await problem(parts._replace(netloc=f"quarterdeck:secret@{host}").geturl()) == "WrongCredentials"
    assert await problem(parts._replace(path="/nothing").geturl()) == "NoDatabase"
    assert await problem(parts._replace(netloc="a:secret@127.0.0.1:1").geturl()) == "DatabaseAway"
    for query in ("schema=A%22", "pool=none", "pooler=session"):
        with pytest.raises(Unavailable, match=query.split("=")[0]):
            read_address(f"{postgres_database}?{query}")


async def test_a_read_only_database_says_so_and_recovers(postgres_database, postgres_url):
    database = await open_database(f"{postgres_database}?schema=things", METADATA)
    name = urlsplit(postgres_database).path.lstrip("/")
    administer(postgres_database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database._pool.drop_idle()
    for attempt in (database.write(add, 1), database.check()):
        with pytest.raises(Unavailable) as caught:
            await attempt
        assert caught.value.reason == "ReadOnlyDatabase"
    assert await database.read(numbers) == []
    administer(postgres_url, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await database.write(add, 1)
    await database.check()
    await database.close()


async def test_writers_that_want_the_same_rows_in_another_order_both_succeed(postgres_database):
    url = f"{postgres_database}?schema=things"
    one, two = await open_database(url, METADATA), await open_database(url, METADATA)
    await one.write(lambda connection: [add(connection, n) for n in (1, 2)])

    def grow(connection, first, second):
        for number in (first, second):
            connection.execute(update(THINGS).where(THINGS.c.id == number).values(size=THINGS.c.size + 1))
            connection.execute(text("SELECT pg_sleep(0.1)"))

    await asyncio.gather(one.write(grow, 1, 2), two.write(grow, 2, 1))
    sizes = await one.read(lambda connection: connection.execute(select(THINGS.c.size)).scalars().all())
    assert sizes == [2, 2]
    await one.close()
    await two.close()


async def test_a_lock_that_is_not_given_up_is_not_waited_for_forever(postgres_database, monkeypatch):
    monkeypatch.setattr("quarterdeck.common.database.pool.LOCK_TIMEOUT", "50ms")
    database = await open_database(f"{postgres_database}?schema=things", METADATA)
    await database.write(add, 1)
    holder = await asyncpg.connect(postgres_database)
    await holder.execute("BEGIN; SELECT * FROM things.things FOR UPDATE")
    grow = update(THINGS).values(size=1)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await database.write(lambda connection: connection.execute(grow).rowcount)
    assert caught.value.reason == "DatabaseFailed" and time.monotonic() - began < 5
    await holder.close()
    assert await database.write(lambda connection: connection.execute(grow).rowcount) == 1
    await database.close()


async def test_a_pooler_in_between_needs_no_session(postgres_database):
    """Every transaction says for itself what it needs, as on a server's connection of somebody else."""
    url = f"{postgres_database}?schema=things&pooler=transaction"
    database = await open_database(url, METADATA)
    assert isinstance(database, PostgresDatabase)
    await asyncio.gather(*(database.write(add, n) for n in range(20)))

    def spoil(connection):
        connection.execute(text("RESET ROLE"))
        connection.execute(text("SET search_path = pg_catalog"))
        connection.execute(text("DEALLOCATE ALL"))

    async with database._pool.link() as link:
        await link.connection.run_sync(spoil)
    assert await database.read(numbers) == list(range(20))
    who = await database.read(lambda c: c.execute(text("SELECT current_user, current_schema()")).one())
    assert tuple(who) == ("quarterdeck_things", "things")
    await database.close()
