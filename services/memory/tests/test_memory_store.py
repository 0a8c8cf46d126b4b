"""The memory service's rows, on each dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from quarterdeck.common.database import Database, open_database
from quarterdeck.memory import store
from quarterdeck.memory.store import Collection

SPEC = {"vector": {"size": 256}}
THINGS = Collection("t-1", "things", "u-1", SPEC, "lexical", "hash", 1 << 40)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = await open_database(database_url, store.metadata, "quarterdeck.memory.migrations")
    yield made
    await made.close()


async def test_a_collection_is_kept_changed_and_forgotten(database: Database) -> None:
    assert await database.read(store.find, "t-1", "things") is None
    await database.write(store.save, THINGS)
    assert await database.read(store.find, "t-1", "things") == THINGS
    await database.write(store.save, replace(THINGS, uid="u-2"))
    await database.write(store.changed, "t-1", "things")
    assert await database.read(store.find, "t-1", "things") == replace(THINGS, uid="u-2", generation=2)
    await database.write(store.forget, "t-1", "things")
    assert await database.read(store.find, "t-1", "things") is None


async def test_the_deletion_that_was_noted_first_stays(database: Database) -> None:
    other = replace(THINGS, tenant_id="t-2")
    for collection in (THINGS, other):
        await database.write(store.save, collection)
    assert len(await database.read(store.live)) == 2
    await database.write(store.mark_deleted, "t-1", "things", 5.0)
    await database.write(store.mark_deleted, "t-1", "things", 9.0)
    assert await database.read(store.live) == [other]
    assert await database.read(store.deleted_before, 5.0) == []
    assert await database.read(store.deleted_before, 6.0) == [replace(THINGS, deleted_at=5.0)]


async def test_tenants_do_not_see_each_others_collections(database: Database) -> None:
    await database.write(store.save, THINGS)
    assert await database.read(store.find, "t-2", "things") is None
