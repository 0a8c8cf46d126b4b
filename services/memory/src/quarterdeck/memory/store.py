"""The service's own tables: one row a collection, kept through the registry's absence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    select,
    update,
)
from sqlalchemy import delete as sql_delete

from quarterdeck.common import codec
from quarterdeck.common.database import across_tenants, within
from quarterdeck.common.database.rules import protect
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.common.watching import objects_table
from quarterdeck.memory.specification import CollectionSpec, read_spec

metadata = MetaData()
watched_objects = objects_table(metadata)

collections = Table(
    "collections",
    metadata,
    Column("tenant_id", String(36), primary_key=True),
    Column("name", String(253), primary_key=True),
    # The resource's uid: a collection that was deleted and made again is another one.
    Column("uid", String(64), nullable=False),
    Column("spec_json", LargeBinary, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("size", BigInteger, nullable=False),
    # Grows with every write; part of the names of cached answers.
    Column("generation", BigInteger, nullable=False),
    Column("deleted_at", Float),
)

protect(metadata)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it is served: the accepted spec and the vector space its items are in."""

    tenant_id: str
    name: str
    uid: str
    spec_json: dict[str, Any]
    provider: str
    model: str
    size: int
    generation: int = 1
    deleted_at: float | None = None

    @property
    def spec(self) -> CollectionSpec:
        """The accepted spec, read."""
        return read_spec(self.spec_json)

    def next_generation(self) -> Collection:
        """Returns the collection after a change."""
        return replace(self, generation=self.generation + 1)


def find(connection: Connection, tenant_id: str, name: str) -> Collection | None:
    """Returns the tenant's collection, a deleted one included, or None."""
    within(connection, tenant_id)
    row = connection.execute(select(collections).where(_is(tenant_id, name))).one_or_none()
    return None if row is None else _collection(row)


def live(connection: Connection) -> list[Collection]:
    """Returns every tenant's collections that are not deleted."""
    across_tenants(connection)
    query = select(collections).where(collections.c.deleted_at.is_(None))
    return [_collection(row) for row in connection.execute(query)]


def deleted_before(connection: Connection, moment: float) -> list[Collection]:
    """Returns collections whose resource was gone before `moment` (Unix time)."""
    across_tenants(connection)
    query = select(collections).where(collections.c.deleted_at < moment)
    return [_collection(row) for row in connection.execute(query)]


def save(connection: Connection, collection: Collection) -> None:
    """Inserts or replaces a collection's row."""
    values = {
        "tenant_id": collection.tenant_id,
        "name": collection.name,
        "uid": collection.uid,
        "spec_json": codec.dumps(collection.spec_json),
        "provider": collection.provider,
        "model": collection.model,
        "size": collection.size,
        "generation": collection.generation,
        "deleted_at": collection.deleted_at,
    }
    within(connection, collection.tenant_id)
    insert_or_update(connection, collections, ("tenant_id", "name"), values)


def changed(connection: Connection, tenant_id: str, name: str) -> None:
    """Raises the generation: answers cached before are not used any more."""
    within(connection, tenant_id)
    statement = update(collections).where(_is(tenant_id, name))
    connection.execute(statement.values(generation=collections.c.generation + 1))


def mark_deleted(connection: Connection, tenant_id: str, name: str, moment: float) -> None:
    """Notes that the resource is gone; keeps an earlier note."""
    within(connection, tenant_id)
    where = _is(tenant_id, name) & collections.c.deleted_at.is_(None)
    connection.execute(update(collections).where(where).values(deleted_at=moment))


def forget(connection: Connection, tenant_id: str, name: str) -> None:
    """Removes the row."""
    within(connection, tenant_id)
    connection.execute(sql_delete(collections).where(_is(tenant_id, name)))


def _is(tenant_id: str, name: str) -> Any:
    return (collections.c.tenant_id == tenant_id) & (collections.c.name == name)


def _collection(row: Any) -> Collection:
    return Collection(
        row.tenant_id,
        row.name,
        row.uid,
        codec.loads(row.spec_json),
        row.provider,
        row.model,
        row.size,
        row.generation,
        row.deleted_at,
    )
