"""Revisions: every spec that was ever accepted, immutable, named by what it says.

A run pins revisions, so none is removed with its object. What has not been in force for long is collected:
the runtime made a durable copy of what a run pins when it accepted the run, and never asks for it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, tuple_, update

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.database import across_tenants, concerning
from quarterdeck.common.errors import Internal
from quarterdeck.registry import history
from quarterdeck.registry.records import Key, Row
from quarterdeck.registry.tables import OBJECTS, REVISIONS


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted spec. `version` is the resource version of the write that made it."""

    key: Key
    revision: str
    spec_hash: str
    spec_json: bytes
    created_at: str
    version: int


def keep(connection: Connection, row: Row, now: float) -> None:
    """Records the spec of an accepted row, unless that very spec is recorded already.

    Raises:
        Internal: another spec has the same short hash; it would have to be pinned by a longer one.
    """
    known = find(connection, row.key.tenant_id, row.revision)
    if known is not None and known.spec_hash != row.spec_hash:
        raise Internal(f"two specs of {row.key} share the revision {row.revision}")
    if known is not None:
        _since(connection, row, None)
        return
    connection.execute(insert(REVISIONS), [_values(row, now)])


def keep_many(connection: Connection, made: Sequence[Row], now: float) -> None:
    """Does the same for accepted rows of one tenant. Raises Internal as `keep`."""
    if not made:
        return
    tenant_id = made[0].key.tenant_id
    concerning(connection, tenant_id)
    named = REVISIONS.c.revision.in_([row.revision for row in made])
    statement = select(REVISIONS.c.revision).where(REVISIONS.c.tenant_id == tenant_id, named)
    known = set(connection.execute(statement).scalars())
    new = [_values(row, now) for row in made if row.revision not in known]
    if new:
        connection.execute(insert(REVISIONS), new)
    for row in made:
        if row.revision in known:
            keep(connection, row, now)


def _values(row: Row, now: float) -> dict[str, Any]:
    return {
        "tenant_id": row.key.tenant_id,
        "revision": row.revision,
        "kind": row.key.kind,
        "name": row.key.name,
        "spec_hash": row.spec_hash,
        "spec_json": row.spec_json,
        "created_at": rfc3339(now),
        "version": row.version,
    }


def retire(connection: Connection, row: Row, now: float) -> None:
    """Notes that the revision of a row ceased to be in force."""
    _since(connection, row, now)


def _since(connection: Connection, row: Row, moment: float | None) -> None:
    concerning(connection, row.key.tenant_id)
    where = and_(REVISIONS.c.tenant_id == row.key.tenant_id, REVISIONS.c.revision == row.revision)
    connection.execute(update(REVISIONS).where(where).values(unused_since=moment))


def collect(connection: Connection, unused_before: float, keep: int, limit: int) -> int:
    """Removes up to `limit` revisions that went out of force before a moment. Returns how many.

    The newest `keep` of each object that exists stay whatever their age.
    """
    history.lock(connection)
    across_tenants(connection)
    newer = REVISIONS.alias("newer")
    mine = and_(*(newer.c[name] == REVISIONS.c[name] for name in ("tenant_id", "kind", "name")))
    place = select(func.count()).where(mine, newer.c.version > REVISIONS.c.version).scalar_subquery()
    alive = select(OBJECTS.c.uid).where(
        *(OBJECTS.c[name] == REVISIONS.c[name] for name in ("tenant_id", "kind", "name"))
    )
    found = connection.execute(
        select(REVISIONS.c.tenant_id, REVISIONS.c.revision)
        .where(REVISIONS.c.unused_since < unused_before, or_(~alive.exists(), place >= keep))
        .limit(limit)
    ).all()
    if found:
        chosen = tuple_(REVISIONS.c.tenant_id, REVISIONS.c.revision).in_([tuple(row) for row in found])
        connection.execute(delete(REVISIONS).where(chosen))
    return len(found)


def find(connection: Connection, tenant_id: str, revision: str) -> Revision | None:
    """Returns a revision by its name, or None."""
    concerning(connection, tenant_id)
    where = and_(REVISIONS.c.tenant_id == tenant_id, REVISIONS.c.revision == revision)
    found = connection.execute(select(REVISIONS).where(where)).one_or_none()
    return None if found is None else _revision(found)


def page(connection: Connection, key: Key, below: int, limit: int) -> list[Revision]:
    """Returns an object's revisions, newest first, of versions lower than `below` (0: from the newest)."""
    concerning(connection, key.tenant_id)
    statement = select(REVISIONS).where(_of(key)).order_by(REVISIONS.c.version.desc()).limit(limit)
    if below:
        statement = statement.where(REVISIONS.c.version < below)
    return [_revision(found) for found in connection.execute(statement)]


def _of(key: Key) -> ColumnElement[bool]:
    return and_(
        REVISIONS.c.tenant_id == key.tenant_id,
        REVISIONS.c.kind == key.kind,
        REVISIONS.c.name == key.name,
    )


def _revision(found: Any) -> Revision:
    return Revision(
        key=Key(found.tenant_id, found.kind, found.name),
        revision=found.revision,
        spec_hash=found.spec_hash,
        spec_json=found.spec_json,
        created_at=found.created_at,
        version=found.version,
    )
