"""The recent past: one number that grows with every change, and the changes themselves.

The number is taken inside the transaction that makes the change, from a row that only one
transaction can hold at a time. So versions are given in the order of commits and without
gaps, and a reader that has seen version N has seen everything up to N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from quarterdeck.common.database import across_tenants, serialize
from quarterdeck.registry.records import Change
from quarterdeck.registry.tables import CHANGES, COUNTER

_ONLY = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Changes after `forgotten`, up to `newest`, can be read."""

    forgotten: int
    newest: int


def lock(connection: Connection) -> None:
    """Waits for the write before this one: what is read from here on is what is written over."""
    serialize(connection, "quarterdeck:registry")


def prepare(connection: Connection) -> bool:
    """Makes the counter; False if it was there."""
    lock(connection)
    if connection.execute(select(COUNTER.c.id)).first() is not None:
        return False
    connection.execute(insert(COUNTER).values(id=_ONLY, version=0, forgotten=0))
    return True


def next_version(connection: Connection) -> int:
    """Takes the next resource version."""
    return next_versions(connection, 1)


def next_versions(connection: Connection, count: int) -> int:
    """Takes the next `count` resource versions and returns the first of them."""
    statement = update(COUNTER).values(version=COUNTER.c.version + count).returning(COUNTER.c.version)
    return int(connection.execute(statement).scalar_one()) - count + 1


def bounds(connection: Connection) -> Bounds:
    """Returns which changes can be read."""
    found = connection.execute(select(COUNTER)).one()
    return Bounds(found.forgotten, found.version)


def record(connection: Connection, change: Change) -> None:
    """Adds a change."""
    record_many(connection, [change])


def record_many(connection: Connection, changes: Sequence[Change]) -> None:
    """Adds changes, in one statement."""
    across_tenants(connection)
    connection.execute(insert(CHANGES), [asdict(change) for change in changes])


def after(connection: Connection, version: int, limit: int) -> list[Change] | None:
    """Returns the changes after `version`, oldest first; None if some are forgotten, or are yet to come."""
    across_tenants(connection)
    kept = bounds(connection)
    if not kept.forgotten <= version <= kept.newest:
        return None
    statement = select(CHANGES).where(CHANGES.c.version > version).order_by(CHANGES.c.version).limit(limit)
    return [Change(**found) for found in connection.execute(statement).mappings()]


def trim(connection: Connection, keep: int, since: float) -> int:
    """Forgets all but the newest `keep` changes and those made after `since`; both must hold to stay.

    Returns how many were forgotten.
    """
    lock(connection)
    across_tenants(connection)
    kept = bounds(connection)
    aged = connection.execute(select(func.max(CHANGES.c.version)).where(CHANGES.c.at < since)).scalar()
    upto = max(kept.newest - keep, aged or 0)
    if upto <= kept.forgotten:
        return 0
    removed = connection.execute(delete(CHANGES).where(CHANGES.c.version <= upto)).rowcount
    connection.execute(update(COUNTER).values(forgotten=upto))
    return int(removed)
