"""Records of calls on a real database."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData, create_engine

from quarterdeck.common.database import Database, open_database
from quarterdeck.mcp import store
from quarterdeck.mcp.outcome import Outcome, Status
from quarterdeck.mcp.store import ApprovalSpent, Intent

INTENT = Intent("t-1", "c-1", "ledger", "book", "hash", "run", None, "i-1", 100.0)
DONE = Outcome(Status.OK, b'{"n":1}', message="m", seconds=0.5, answered=True, incarnation="i-1")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = await open_database(database_url, store.metadata, "quarterdeck.mcp.migrations")
    yield made
    await made.close()


async def test_an_intent_is_followed_by_its_outcome(database: Database) -> None:
    assert await database.write(store.begin, INTENT) is None
    known = await database.write(store.begin, INTENT)
    assert known is not None
    assert known.outcome is None
    await database.write(store.finish, "t-1", "c-1", DONE, 101.0)
    found = await database.read(store.find, "t-1", "c-1")
    assert found is not None
    assert found.outcome == replace(DONE, replayed=True)


async def test_tenants_do_not_see_each_others_calls(database: Database) -> None:
    await database.write(store.begin, INTENT)
    assert await database.read(store.find, "t-2", "c-1") is None
    assert await database.write(store.begin, replace(INTENT, tenant_id="t-2")) is None


async def test_an_approval_is_good_for_one_call(database: Database) -> None:
    await database.write(store.begin, replace(INTENT, approval_id="a"))
    with pytest.raises(ApprovalSpent, match="used by call c-1"):
        await database.write(store.begin, replace(INTENT, call_id="c-2", approval_id="a"))
    assert await database.write(store.begin, replace(INTENT, tenant_id="t-2", approval_id="a")) is None


async def test_only_its_own_intent_is_withdrawn(database: Database) -> None:
    await database.write(store.begin, INTENT)
    await database.write(store.withdraw, replace(INTENT, incarnation="i-2"))
    assert await database.read(store.find, "t-1", "c-1") is not None
    await database.write(store.withdraw, INTENT)
    assert await database.read(store.find, "t-1", "c-1") is None
    await database.write(store.begin, INTENT)
    await database.write(store.finish, "t-1", "c-1", DONE, 101.0)
    await database.write(store.withdraw, INTENT)
    assert await database.read(store.find, "t-1", "c-1") is not None


async def test_old_outcomes_are_forgotten_and_intents_kept(database: Database) -> None:
    await database.write(store.begin, INTENT)
    await database.write(store.begin, replace(INTENT, call_id="c-2"))
    await database.write(store.finish, "t-1", "c-2", DONE, 101.0)
    assert await database.write(store.forget_finished, 101.0) == 0
    assert await database.write(store.forget_finished, 102.0) == 1
    assert await database.read(store.find, "t-1", "c-1") is not None


async def test_the_first_pins_stay(database: Database) -> None:
    await database.write(store.add_pins, "t-1", "s", {"a": "1"})
    await database.write(store.add_pins, "t-1", "s", {"a": "2", "b": "2"})
    assert await database.read(store.read_pins, "t-1", "s") == {"a": "1", "b": "2"}
    await database.write(store.forget_server, "t-1", "s")
    assert await database.read(store.read_pins, "t-1", "s") == {}


def shape(connection: Connection) -> dict[str, tuple[list[tuple[str, str, bool, bool]], set[str]]]:
    """The tables of a database: columns with type, nullability and key, and the names of the indexes."""
    found = MetaData()
    found.reflect(connection)
    return {
        table.name: (
            [(c.name, str(c.type), bool(c.nullable), c.primary_key) for c in table.columns],
            {str(index.name) for index in table.indexes},
        )
        for table in found.sorted_tables
    }


def test_the_migrations_make_todays_tables() -> None:
    names = ("0001_initial", "0002_uses", "0003_listings")
    history = [importlib.import_module(f"quarterdeck.mcp.migrations.versions.{name}") for name in names]
    migrated, fresh = create_engine("sqlite://"), create_engine("sqlite://")
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for migration in history:
            migration.upgrade()
        with fresh.begin() as other:
            store.metadata.create_all(other)
            assert shape(connection) == shape(other)


async def test_of_many_that_begin_the_same_call_one_does(database: Database) -> None:
    begun = await asyncio.gather(*(database.write(store.begin, INTENT) for _ in range(200)))
    assert [known is None for known in begun].count(True) == 1
    calls = [replace(INTENT, call_id=f"a-{n}", approval_id="a") for n in range(200)]
    spent = await asyncio.gather(*(database.write(store.begin, one) for one in calls), return_exceptions=True)
    assert [isinstance(answer, ApprovalSpent) for answer in spent].count(False) == 1
