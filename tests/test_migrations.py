"""Every service's Alembic history ends in the tables that its code declares."""

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
