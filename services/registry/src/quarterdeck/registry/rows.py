"""Objects in the database: read, written and removed, each as one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, tuple_, update

from quarterdeck.common import codec
from quarterdeck.common.database import concerning
from quarterdeck.common.errors import Internal
from quarterdeck.registry.records import Key, Row
from quarterdeck.registry.tables import OBJECTS


def find(connection: Connection, key: Key) -> Row | None:
    """Returns an object, or None."""
    concerning(connection, key.tenant_id)
    found = connection.execute(select(OBJECTS).where(_is(key))).one_or_none()
    return None if found is None else _row(found)


def find_many(connection: Connection, tenant_id: str, keys: Sequence[Key]) -> dict[Key, Row]:
    """Returns those of a tenant's objects that are there."""
    concerning(connection, tenant_id)
    named = tuple_(OBJECTS.c.kind, OBJECTS.c.name).in_([(key.kind, key.name) for key in keys])
    statement = select(OBJECTS).where(OBJECTS.c.tenant_id == tenant_id, named)
    found = [_row(each) for each in connection.execute(statement)]
    return {row.key: row for row in found}


def insert_many(connection: Connection, made: Sequence[Row]) -> None:
    """Writes objects of one tenant that were not there, in one statement."""
    concerning(connection, made[0].key.tenant_id)
    connection.execute(insert(OBJECTS), [_values(row) for row in made])


def all_of(connection: Connection, kind: str = "", tenant_id: str | None = None) -> list[Row]:
    """Returns the objects of a kind, of a tenant, or all."""
    concerning(connection, tenant_id or "")
    statement = select(OBJECTS).order_by(OBJECTS.c.version)
    if kind:
        statement = statement.where(OBJECTS.c.kind == kind)
    if tenant_id is not None:
        statement = statement.where(OBJECTS.c.tenant_id == tenant_id)
    return [_row(found) for found in connection.execute(statement)]


def count_of(connection: Connection, tenant_id: str) -> int:
    """Returns how many objects a tenant has."""
    concerning(connection, tenant_id)
    statement = select(func.count()).select_from(OBJECTS).where(OBJECTS.c.tenant_id == tenant_id)
    return int(connection.execute(statement).scalar_one())


def save(connection: Connection, row: Row, before: Row | None) -> None:
    """Writes an object over what was read in this transaction as `before`."""
    concerning(connection, row.key.tenant_id)
    if before is None:
        connection.execute(insert(OBJECTS).values(_values(row)))
        return
    statement = update(OBJECTS).where(_is(row.key), OBJECTS.c.version == before.version)
    if connection.execute(statement.values(_values(row))).rowcount != 1:
        raise Internal(f"{row.key} changed inside a transaction", hint="try again")


def remove(connection: Connection, key: Key) -> None:
    """Deletes an object."""
    concerning(connection, key.tenant_id)
    connection.execute(delete(OBJECTS).where(_is(key)))


def _is(key: Key) -> ColumnElement[bool]:
    return and_(OBJECTS.c.tenant_id == key.tenant_id, OBJECTS.c.kind == key.kind, OBJECTS.c.name == key.name)


def _values(row: Row) -> dict[str, Any]:
    return {
        "tenant_id": row.key.tenant_id,
        "kind": row.key.kind,
        "name": row.key.name,
        "uid": row.uid,
        "generation": row.generation,
        "version": row.version,
        "created_at": row.created_at,
        "labels": row.labels,
        "annotations": row.annotations,
        "spec_hash": row.spec_hash,
        "spec_json": row.spec_json,
        "status_json": codec.dumps(row.status),
        "revision": row.revision,
        "accepted_generation": row.accepted_generation,
    }


def _row(found: Any) -> Row:
    return Row(
        key=Key(found.tenant_id, found.kind, found.name),
        uid=found.uid,
        generation=found.generation,
        version=found.version,
        created_at=found.created_at,
        labels=found.labels,
        annotations=found.annotations,
        spec_hash=found.spec_hash,
        spec_json=found.spec_json,
        status=codec.loads(found.status_json),
        revision=found.revision,
        accepted_generation=found.accepted_generation,
    )
