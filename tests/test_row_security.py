"""Row-level security on PostgreSQL: who forgets a filter sees nothing, and few tables go without it."""

import importlib

import pytest
from sqlalchemy import JSON, Boolean, Float, Integer, LargeBinary, insert, select, text
from sqlalchemy.exc import DBAPIError

from quarterdeck.common.database import across_tenants, open_database, within
from quarterdeck.common.errors import Unavailable

TABLES = {
    "gateway": ("quarterdeck.gateway.tables", "METADATA"),
    "registry": ("quarterdeck.registry.tables", "METADATA"),
    "runtime": ("quarterdeck.runtime.tables", "METADATA"),
    "mcp": ("quarterdeck.mcp.store", "metadata"),
    "memory": ("quarterdeck.memory.store", "metadata"),
}
# What is scheduled is claimed across tenants and holds no content; the registry's say which tenants are.
# People who are signed in, or suspended, are of no tenant.
WITHOUT = {
    "gateway": {"browser_sessions", "suspensions"},
    "runtime": {"run_queue", "timers", "workers", "allotments"},
    "registry": {"tenants", "counter"},
}
_UNPROTECTED = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT (relrowsecurity AND relforcerowsecurity)
"""


@pytest.fixture(params=TABLES)
async def service(request, postgres_database):
    """A service's name, its tables, and its database as the service itself has it."""
    module, attribute = TABLES[request.param]
    metadata = getattr(importlib.import_module(module), attribute)
    history = f"{module.rpartition('.')[0]}.migrations"
    database = await open_database(f"{postgres_database}?schema={request.param}", metadata, history)
    yield request.param, metadata, database
    await database.close()


async def test_these_tables_and_no_others_go_without(service):
    name, _, database = service
    found = await database.read(lambda connection: set(connection.execute(text(_UNPROTECTED)).scalars()))
    assert found == WITHOUT.get(name, set()) | {"alembic_version"}


async def test_the_service_is_bound_by_it(service):
    _, _, database = service
    bound = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
    assert await database.read(lambda connection: connection.execute(text(bound)).scalar())


async def test_a_forgotten_filter_returns_nothing(service):
    name, metadata, database = service
    tables = [table for key, table in metadata.tables.items() if key not in WITHOUT.get(name, set())]
    assert tables
    for table in tables:
        await database.write(_put, table, "t-1", "t-1")
        everything = select(table.c.tenant_id)
        assert await database.read(_seen, everything, "") == []
        assert await database.read(_seen, everything, "t-2") == []
        assert await database.read(_seen, everything, "t-1") == ["t-1"]
        assert await database.read(_seen, everything, "t-2,t-1") == ["t-1"]
        with pytest.raises((DBAPIError, Unavailable), match="row-level security"):
            await database.write(_put, table, "t-1", "t-2")
        removed = await database.write(lambda connection, t=table: connection.execute(t.delete()).rowcount)
        assert removed == 0


async def test_a_partition_is_no_way_around(postgres_database):
    from quarterdeck.runtime.tables import JOURNAL, METADATA

    url = f"{postgres_database}?schema=runtime"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    await database.write(_put, JOURNAL, "t-1", "t-1")
    entries = text("SELECT tenant_id FROM journal_default")
    assert await database.read(_seen, entries, "t-1") == ["t-1"]
    assert await database.read(_seen, entries, "") == []
    await database.close()


async def test_what_a_transaction_named_is_forgotten_after_it(service):
    """After an error too, and for the next one that shares its commit."""
    _, metadata, database = service
    table = next(metadata.tables[name] for name in ("watched_objects", "objects") if name in metadata.tables)
    await database.write(_put, table, "t-1", "t-1")

    def fail(connection):
        across_tenants(connection)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await database.write(fail)
    assert await database.read(_seen, select(table.c.tenant_id), "") == []


def _seen(connection, query, tenants):
    if tenants:
        within(connection, tenants)
    return connection.execute(query).scalars().all()


def _put(connection, table, named, tenant_id):
    within(connection, named)
    values = {column.name: _value(column) for column in table.c if column.autoincrement is not True}
    connection.execute(insert(table).values(**values | {"tenant_id": tenant_id}))


def _value(column):
    for kind, value in ((Boolean, True), (Float, 1.0), (Integer, 1), (LargeBinary, b"{}"), (JSON, {})):
        if isinstance(column.type, kind):
            return value
    return f"z-{column.name}"[:36]
