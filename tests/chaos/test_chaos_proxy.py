"""A reply that the proxy loses belongs to a statement that took effect; others pass."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from chaos_kit.proxy import Proxy
from chaos_kit.wire import COMMIT, SHARED_APPEND, Frames, Statements

APPEND = """
    CREATE TABLE done (number integer PRIMARY KEY);
    CREATE FUNCTION commit_runs(integer) RETURNS integer LANGUAGE sql AS
        'INSERT INTO done VALUES ($1) RETURNING number';
"""
CALL = "SELECT number FROM commit_runs($1) AS number"


@pytest.fixture
def proxy(postgres_database: str) -> Iterator[Proxy]:
    port = urlsplit(postgres_database).port
    assert port is not None
    proxy = Proxy(("127.0.0.1", port)).start()
    yield proxy
    proxy.stop()


async def through(url: str, proxy: Proxy) -> asyncpg.Connection:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return await asyncpg.connect(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}").geturl())


async def done(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["number"] for row in await connection.fetch("SELECT number FROM done ORDER BY number")]
    finally:
        await connection.close()


async def test_the_reply_of_a_shared_append_is_lost_once_it_took_effect(
    postgres_database: str, proxy: Proxy
) -> None:
    connection = await through(postgres_database, proxy)
    await connection.execute(APPEND)
    statement = await connection.prepare(CALL)
    assert len(await statement.fetch(1)) == 1  # nothing is to be lost yet
    proxy.faults.lose[SHARED_APPEND] = 1
    with pytest.raises(asyncpg.UniqueViolationError):
        await statement.fetch(1)  # it had no effect: its reply passes, and another will be lost
    assert await connection.fetchval("SELECT 7") == 7
    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await statement.fetch(2)
    assert await done(postgres_database) == [1, 2]
    assert proxy.faults.lost == {SHARED_APPEND: 1}


async def test_an_append_inside_a_transaction_is_not_yet_durable_and_its_reply_passes(
    postgres_database: str, proxy: Proxy
) -> None:
    connection = await through(postgres_database, proxy)
    await connection.execute(APPEND)
    proxy.faults.lose[SHARED_APPEND] = 1
    async with connection.transaction():
        assert len(await connection.fetch(CALL, 1)) == 1
    await connection.close()
    assert not proxy.faults.lost


async def test_the_reply_of_a_commit_is_lost_and_that_of_a_failed_one_passes(
    postgres_database: str, proxy: Proxy
) -> None:
    connection = await through(postgres_database, proxy)
    await connection.execute(APPEND)
    proxy.faults.lose[COMMIT] = 1
    await connection.execute("BEGIN")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.fetchval("SELECT 1 / 0")
    assert await connection.execute("COMMIT") == "ROLLBACK"
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO done VALUES (3)")
    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await connection.execute("COMMIT")
    assert await done(postgres_database) == [3]
    assert proxy.faults.lost == {COMMIT: 1}


def test_messages_are_cut_wherever_the_network_cuts_them() -> None:
    startup = (9).to_bytes(4, "big") + b"\x00\x03\x00\x00\x00"
    query = b"Q" + (11).to_bytes(4, "big") + b"COMMIT\x00"
    frames, statements = Frames(untyped=True), Statements()
    seen = [message for byte in startup + query for message in frames.feed(bytes([byte]))]
    assert [statements.kind_of(message) for message in seen] == ["", COMMIT]
