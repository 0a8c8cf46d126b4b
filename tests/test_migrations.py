"""Every service's Alembic history ends in the tables that its code declares."""

import asyncio
import importlib
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from quarterdeck.common.database import open_database
from quarterdeck.common.errors import Unavailable

SERVICES = {
    "gateway": "quarterdeck.gateway",
    "registry": "quarterdeck.registry",
    "runtime": "quarterdeck.runtime",
    "mcp": "quarterdeck.mcp",
    "memory": "quarterdeck.memory",
}


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
