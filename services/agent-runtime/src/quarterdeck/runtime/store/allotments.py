"""What each worker may fill of a limit. All of them together never have more than the limit is.

Nothing here waits for another transaction: where somebody else decides about a limit at this moment, nothing
is given, and the worker asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from quarterdeck.common.database.tenancy import may_serialize
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.runtime.claims.slots import Scope
from quarterdeck.runtime.tables import ALLOTMENTS, WORKERS

_A = ALLOTMENTS.c


@dataclass(frozen=True, slots=True)
class Need:
    """A worker that fills `used` slots of a limit, and counts on `granted`, wants `more`."""

    scope: Scope
    limit: int
    used: int
    granted: int
    more: int


@dataclass(frozen=True, slots=True)
class Grant:
    """It may fill `more`, and has `slots` now. `full`: others have the rest of the limit."""

    more: int
    slots: int
    full: bool = False


def grant(connection: Connection, worker: str, need: Need) -> Grant:
    """Gives a worker slots of a limit, as many of those that it wants as nobody else has."""
    wanted = need.used + need.more
    mine, version = _mine(connection, worker, need.scope)
    if wanted <= min(mine, need.granted):
        return Grant(need.more, mine)
    tenant_id, lane = need.scope
    if not may_serialize(connection, f"allotment:{tenant_id}/{lane}") or not _is_alive(connection, worker):
        return Grant(_between(need.used, mine, need), mine, full=True)
    # Asked again: who decided before may have changed it since.
    mine, version = _mine(connection, worker, need.scope)
    free = need.limit - _others(connection, worker, need.scope)
    slots = max(need.used, min(wanted, free))
    if slots != mine or slots > need.granted:
        key = {"tenant_id": tenant_id, "lane": lane, "worker": worker}
        insert_or_update(connection, ALLOTMENTS, tuple(key), {**key, "slots": slots, "version": version + 1})
    return Grant(slots - need.used, slots, full=free < wanted)


def _between(used: int, mine: int, need: Need) -> int:
    return max(0, min(need.more, min(mine, need.granted) - used))


def _mine(connection: Connection, worker: str, scope: Scope) -> tuple[int, int]:
    query = select(_A.slots, _A.version).where(
        _A.tenant_id == scope[0], _A.lane == scope[1], _A.worker == worker
    )
    found = connection.execute(query).one_or_none()
    return (found.slots, found.version) if found else (0, 0)


def _others(connection: Connection, worker: str, scope: Scope) -> int:
    query = select(func.coalesce(func.sum(_A.slots), 0)).where(
        _A.tenant_id == scope[0], _A.lane == scope[1], _A.worker != worker
    )
    return int(connection.execute(query).scalar() or 0)


def _is_alive(connection: Connection, worker: str) -> bool:
    """Returns whether the worker has a lease, and sees to it that it is not declared dead meanwhile."""
    query = select(WORKERS.c.worker).where(WORKERS.c.worker == worker)
    locked = query.with_for_update(key_share=True, read=True, skip_locked=True)
    return connection.execute(locked).first() is not None


def trim(connection: Connection, worker: str, needed: Mapping[Scope, int]) -> None:
    """Gives back what a worker does not need of its allotments."""
    mine = select(ALLOTMENTS).where(_A.worker == worker, _A.slots > 0).order_by(_A.tenant_id, _A.lane)
    for row in connection.execute(mine).all():
        most = needed.get((row.tenant_id, row.lane), 0)
        if most < row.slots:
            same = (_A.tenant_id == row.tenant_id) & (_A.lane == row.lane) & (_A.version == row.version)
            fewer = update(ALLOTMENTS).where(same, _A.worker == worker)
            connection.execute(fewer.values(slots=most, version=row.version + 1))


def forget(connection: Connection, workers: list[str]) -> None:
    """Frees what workers had that are no more."""
    if workers:
        connection.execute(delete(ALLOTMENTS).where(_A.worker.in_(workers)))
