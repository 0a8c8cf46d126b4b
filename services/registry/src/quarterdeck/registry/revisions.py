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
    keep_many(connection, [row], now)


def keep_many(connection: Connection, made: Sequence[Row], now: float) -> None:
    """Does the same for accepted rows of one tenant, in two statements at most. Raises Internal as `keep`."""
    if not made:
        return
    known = _hashes(connection, made)
    for row in made:
        if known.get(row.revision, row.spec_hash) != row.spec_hash:
            raise Internal(f"two specs of {row.key} share the revision {row.revision}")
    new = [_values(row, now) for row in made if row.revision not in known]
    if new:
        connection.execute(insert(REVISIONS), new)
    if known:
        _since(connection, made[0].key.tenant_id, list(known), None)


def _hashes(connection: Connection, made: Sequence[Row]) -> dict[str, str]:
    """Returns the hash of the spec of those revisions that are recorded."""
    tenant_id = made[0].key.tenant_id
    concerning(connection, tenant_id)
    named = REVISIONS.c.revision.in_([row.revision for row in made])
    statement = select(REVISIONS.c.revision, REVISIONS.c.spec_hash)
    found = connection.execute(statement.where(REVISIONS.c.tenant_id == tenant_id, named))
    return {each.revision: each.spec_hash for each in found}


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
    _since(connection, row.key.tenant_id, [row.revision], now)


def _since(connection: Connection, tenant_id: str, named: Sequence[str], moment: float | None) -> None:
    concerning(connection, tenant_id)
    where = and_(REVISIONS.c.tenant_id == tenant_id, REVISIONS.c.revision.in_(named))
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
