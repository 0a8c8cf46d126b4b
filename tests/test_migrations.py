"""Every service's Alembic history ends in the tables that its code declares."""

import asyncio
import importlib
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    create_engine,
    insert,
    inspect,
    select,
)
from sqlalchemy.ext.asyncio import create_async_engine

from quarterdeck.common.database import open_database
from quarterdeck.common.database.tenancy import serialize
from quarterdeck.common.errors import Unavailable

SERVICES = {
    "gateway": "quarterdeck.gateway",
    "registry": "quarterdeck.registry",
    "runtime": "quarterdeck.runtime",
    "mcp": "quarterdeck.mcp",
    "memory": "quarterdeck.memory",
}


def folder_of(package):
    """Returns the folder of a service's history."""
    return Path(importlib.import_module(f"{package}.migrations").__file__).parent


def shape(engine):
    found = inspect(engine)
    return {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)),
            sorted(tuple(i["column_names"]) for i in found.get_indexes(table)),
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in found.get_table_names()
    }


def metadata_of(name):
    for module in ("tables", "store"):
        try:
            loaded = importlib.import_module(f"{SERVICES[name]}.{module}")
        except ModuleNotFoundError:
            continue
        found = getattr(loaded, "METADATA", None) or getattr(loaded, "metadata", None)
        if found is not None:
            return found
    raise AssertionError(f"{name} declares no tables")


@pytest.mark.parametrize("name", SERVICES)
def test_history_gives_todays_tables(name, tmp_path):
    package = importlib.import_module(f"{SERVICES[name]}.migrations")
    script = ScriptDirectory(str(Path(package.__file__).parent))
    assert script.get_current_head() == package.HEAD
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for revision in reversed(list(script.walk_revisions())):
            revision.module.upgrade()
    declared = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    metadata_of(name).create_all(declared)
    assert shape(migrated) == shape(declared)
    assert shape(declared)


async def test_a_database_of_a_newer_release_is_refused(tmp_path):
    from quarterdeck.runtime.tables import METADATA

    url = f"sqlite:///{tmp_path / 'runtime.db'}"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    await database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(Unavailable, match="schema revision 9999") as caught:
        await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    assert caught.value.reason == "SchemaTooNew"


@pytest.mark.parametrize("name", SERVICES)
async def test_a_server_gets_todays_tables_once(name, postgres_database):
    package = importlib.import_module(f"{SERVICES[name]}.migrations")
    metadata, url = metadata_of(name), f"{postgres_database}?schema={name}"
    for _ in range(2):
        database = await open_database(url, metadata, package.__name__)
        found = await database.read(lambda c: set(inspect(c).get_table_names(schema=name)))
        assert await database.read(lambda c: c.exec_driver_sql("SELECT * FROM alembic_version").all()) == [
            (package.HEAD,)
        ]
        await database.close()
        assert set(metadata.tables) < found


async def test_services_that_start_at_once_make_one_schema(postgres_database):
    from quarterdeck.runtime.tables import METADATA

    url, history = f"{postgres_database}?schema=runtime", "quarterdeck.runtime.migrations"
    opened = await asyncio.gather(*(open_database(url, METADATA, history) for _ in range(4)))
    for database in opened:
        await database.check()
        await database.close()


async def test_a_service_waits_for_one_that_takes_its_time_over_the_schema(postgres_database):
    engine = create_async_engine(postgres_database.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(serialize, "quarterdeck:schema")
        second = asyncio.create_task(open_database(f"{postgres_database}?schema=test", MetaData()))
        # Longer than a statement waits for a lock.
        assert not (await asyncio.wait([second], timeout=3.0))[0]
    database = await second
    await database.check()
    await database.close()
    await engine.dispose()


RELEASED = [
    (name, revision.revision)
    for name, package in SERVICES.items()
    for revision in ScriptDirectory(str(folder_of(package))).walk_revisions()
]


@pytest.mark.parametrize(("name", "released"), RELEASED)
def test_every_released_schema_grows_into_todays_under_its_workers(name, released):
    with create_engine("sqlite://").begin() as connection:
        grow(connection, name, released)


@pytest.mark.parametrize(("name", "released"), RELEASED)
async def test_it_does_so_on_a_server_too(name, released, postgres_database):
    engine = create_async_engine(postgres_database.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(grow, name, released)
    await engine.dispose()


def grow(connection, name, released):
    """What a release wrote stays as it was, and what it goes on to write while it runs still fits."""
    revisions = reversed(list(ScriptDirectory(str(folder_of(SERVICES[name]))).walk_revisions()))
    upgrades = [revision.module for revision in revisions]
    known = [module.revision for module in upgrades].index(released) + 1
    with Operations.context(MigrationContext.configure(connection)):
        for module in upgrades[:known]:
            module.upgrade()
        old = MetaData()
        old.reflect(connection)
        for table in old.tables.values():
            connection.execute(insert(table).values(**row_of(table, 1)))
        before = {table.name: contents(connection, table) for table in old.tables.values()}
        for module in upgrades[known:]:
            module.upgrade()
    assert {table.name: contents(connection, table) for table in old.tables.values()} == before
    for table in old.tables.values():
        connection.execute(insert(table).values(**row_of(table, 2)))
        assert len(contents(connection, table)) == 2


def contents(connection, table):
    """Returns the rows as the old release sees them: its columns, and no others."""
    return sorted(map(repr, connection.execute(select(*table.c)).all()))


def row_of(table, number):
    """Returns values of the release's own columns, so that no two rows are alike."""
    return {column.name: value_of(column, number) for column in table.c}


def value_of(column, number):
    for kind, value in ((Boolean, True), (Float, 1.0), (Integer, number), (LargeBinary, b"{}"), (JSON, {})):
        if isinstance(column.type, kind):
            return value
    return f"{number}"
