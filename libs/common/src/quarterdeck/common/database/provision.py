"""Makes a PostgreSQL database ready for a service: its schema, its tables, a role bound by rules."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import Connection, MetaData, text

from quarterdeck.common.constants import ONE_AT_A_TIME
from quarterdeck.common.database.address import Address
from quarterdeck.common.database.explain import code_of, explain
from quarterdeck.common.database.pool import Link, Pool
from quarterdeck.common.database.postgres import LANES, PostgresDatabase
from quarterdeck.common.database.tenancy import across_tenants, may_serialize
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.migrations import bring_up_to_date, is_up_to_date

_BOUND = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
_NO_PRIVILEGE = "42501"
# One process at a time changes a database's schemas and roles. A migration waits this long for tables.
_KEY, _PATIENCE = "quarterdeck:schema", "10s"
# Seconds: how long a process waits for its turn, longer than any one statement may, and how often it looks.
_LONGEST_WAIT, _LOOK_PERIOD = 300.0, 0.2


async def open_server(address: Address, metadata: MetaData, migrations: str) -> PostgresDatabase:
    """Opens a database, its schema brought up to date. See `opening.open_database`."""
    role = await provision(address, metadata, migrations)
    return PostgresDatabase(address, role, 1 if metadata.info.get(ONE_AT_A_TIME) else LANES)


async def provision(address: Address, metadata: MetaData, migrations: str) -> str:
    """Creates or migrates a service's schema.

    Returns the role that the service has to work as: empty when its login is bound by row-level
    security itself.
    """
    pool = Pool(address)
    try:
        async with pool.link() as link:
            # A pooler hands out another session each time: everything happens in one transaction.
            await link.tell(pool.prologue("BEGIN"))
            await _wait_for_turn(link, address, migrations)
            role = await link.connection.run_sync(_provision, address, metadata, migrations)
            await link.tell("COMMIT")
            return role
    except Exception as error:
        if code_of(error) == _NO_PRIVILEGE:
            raise Unavailable(
                f"the schema {address.schema} of {address.name} is not the one this release needs, "
                "and the service's role may not change it",
                hint="run: qd db migrate",
                reason="SchemaTooOld",
            ) from error
        raise explain(error, address.name) from error
    finally:
        await pool.close()


async def _wait_for_turn(link: Link, address: Address, migrations: str) -> None:
    """Waits until nothing has to be done any more, or nobody else does it. Raises Unavailable."""
    until = time.monotonic() + _LONGEST_WAIT
    while not await link.connection.run_sync(_may_go_on, migrations):
        if time.monotonic() > until:
            raise Unavailable(
                f"somebody has been changing the schemas of {address.name} for {_LONGEST_WAIT:g} s",
                hint="look for a migration that does not end: qd db status",
                reason="SchemaBusy",
            )
        await asyncio.sleep(_LOOK_PERIOD)


def _may_go_on(connection: Connection, migrations: str) -> bool:
    return _is_ready(connection, migrations) or may_serialize(connection, _KEY)


def _is_ready(connection: Connection, migrations: str) -> bool:
    return bool(migrations) and is_up_to_date(connection, migrations)


def _provision(connection: Connection, address: Address, metadata: MetaData, migrations: str) -> str:
    bound = bool(connection.execute(text(_BOUND)).scalar())
    role = "" if bound else address.role
    if not _is_ready(connection, migrations):
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
        if not _exists(connection, "pg_namespace", "nspname", address.schema):
            connection.execute(text(f'CREATE SCHEMA "{address.schema}"'))
        across_tenants(connection)
        bring_up_to_date(connection, metadata, migrations)
        if role:
            _allow(connection, address.schema, role)
    return role


def _exists(connection: Connection, catalog: str, column: str, name: str) -> bool:
    found = connection.execute(text(f"SELECT 1 FROM {catalog} WHERE {column} = :name"), {"name": name})
    return found.first() is not None


def _allow(connection: Connection, schema: str, role: str) -> None:
    """Lets a service's role read and write its tables, and nothing else."""
    if not _exists(connection, "pg_roles", "rolname", role):
        connection.execute(text(f'CREATE ROLE "{role}" NOLOGIN NOSUPERUSER NOBYPASSRLS'))
    for right in (
        f'USAGE ON SCHEMA "{schema}"',
        f'SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}"',
        f'USAGE ON ALL SEQUENCES IN SCHEMA "{schema}"',
        f'EXECUTE ON ALL FUNCTIONS IN SCHEMA "{schema}"',
    ):
        connection.execute(text(f'GRANT {right} TO "{role}"'))
