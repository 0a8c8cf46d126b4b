"""Rows of triggers: what is declared, what is due, what happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, select, update

from quarterdeck.common.database import across_tenants, serialize, within
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.tables import TRIGGERS, WATCHED
from quarterdeck.runtime.triggers import cron
from quarterdeck.runtime.triggers.declared import read_json, source_of

KIND = "Trigger"
_T = TRIGGERS.c
_NEXT_WAKE = Prepared(select(_T.wake_at).where(_T.wake_at.is_not(None)).order_by(_T.wake_at).limit(1))
_DUE = Prepared(
    select(TRIGGERS).where(_T.wake_at <= bindparam("b_now")).order_by(_T.wake_at).limit(bindparam("b_limit"))
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a firing adds to a trigger's row. `at` is Unix time; a skip leaves the last run as it is."""

    at: float
    run_id: str = ""
    fired: int = 0
    skipped: int = 0


def _mine(tenant_id: str, name: str) -> Any:
    return (_T.tenant_id == tenant_id) & (_T.name == name)


def declare(connection: Connection, tenant: tuple[str, str], name: str, spec: bytes, now: float) -> None:
    """Keeps a trigger as declared. The next due time changes only if the schedule or pause did.

    Args:
        tenant: its id and its name.
    """
    tenant_id, tenant_name = tenant
    within(connection, tenant_id)
    before, declared = find(connection, tenant_id, name), read_json(spec)
    values: dict[str, Any] = {"tenant": tenant_name, "spec": spec, "source": declared.source}
    if before is None or read_json(before.spec).clock != declared.clock:
        due = cron.next_after(declared.clock, now) if declared.clock else None
        values |= {"next_due": due, "wake_at": due}
    values |= {"tenant_id": tenant_id, "name": name}
    insert_or_update(connection, TRIGGERS, ("tenant_id", "name"), values)


def forget(connection: Connection, tenant_id: str, name: str) -> None:
    """Removes a trigger."""
    within(connection, tenant_id)
    connection.execute(delete(TRIGGERS).where(_mine(tenant_id, name)))


def forget_undeclared(connection: Connection) -> int:
    """Removes triggers whose object went away while nobody looked; returns how many."""
    across_tenants(connection)
    same = (WATCHED.c.tenant_id == _T.tenant_id) & (WATCHED.c.kind == KIND) & (WATCHED.c.name == _T.name)
    return connection.execute(delete(TRIGGERS).where(~exists().where(same))).rowcount


def find(connection: Connection, tenant_id: str, name: str) -> Row[Any] | None:
    """Returns a trigger's row, or None."""
    within(connection, tenant_id)
    return connection.execute(select(TRIGGERS).where(_mine(tenant_id, name))).one_or_none()


def event_triggers(connection: Connection, tenant_id: str) -> list[Row[Any]]:
    """Returns a tenant's triggers that listen to events, by name."""
    within(connection, tenant_id)
    mine = (_T.tenant_id == tenant_id) & (_T.source == source_of({"event": True}))
    return list(connection.execute(select(TRIGGERS).where(mine).order_by(_T.name)).all())


def next_wake(connection: Connection) -> float | None:
    """Returns when the next trigger wants to be looked at, None when none does."""
    across_tenants(connection)
    wake_at: float | None = _NEXT_WAKE.scalar(connection, {})
    return wake_at


def due(connection: Connection, now: float, limit: int) -> list[Row[Any]]:
    """Returns triggers that want to be looked at, the most urgent first."""
    across_tenants(connection)
    return _DUE.records(connection, {"b_now": now, "b_limit": limit})


def advance(connection: Connection, row: Row[Any], following: float | None, tally: Tally) -> bool:
    """Moves a trigger on from the due time in `row`; False if it was moved or changed meanwhile."""
    within(connection, row.tenant_id)
    same = _mine(row.tenant_id, row.name) & (_T.next_due == row.next_due) & (_T.spec == row.spec)
    moved = {"next_due": following, "wake_at": following, **_counted(tally)}
    return connection.execute(update(TRIGGERS).where(same).values(**moved)).rowcount == 1


def is_due(connection: Connection, row: Row[Any]) -> bool:
    """Returns whether the due time in `row` is still to be dealt with."""
    within(connection, row.tenant_id)
    same = _mine(row.tenant_id, row.name) & (_T.next_due == row.next_due)
    return connection.execute(select(exists().where(same))).scalar_one()


def skip(connection: Connection, row: Row[Any], following: float | None, tally: Tally, key: str) -> bool:
    """Moves a trigger on from a due time for which nothing was started; False as in `advance`.

    Another worker may have started a run for it meanwhile: then it counts as fired. One that has not yet
    started it finds that it `is_due` no more. The lock on `key`, which starts take too, lets one go first.
    """
    within(connection, row.tenant_id)
    serialize(connection, runs.once(row.tenant_id, key))
    earlier = runs.by_idempotency_key(connection, row.tenant_id, key)
    if earlier is not None:
        tally = replace(tally, run_id=earlier.run_id, fired=1, skipped=tally.skipped - 1)
    return advance(connection, row, following, tally)


def postpone(connection: Connection, row: Row[Any], wake_at: float) -> None:
    """Looks at a due trigger again later: it could not be started now."""
    within(connection, row.tenant_id)
    same = _mine(row.tenant_id, row.name) & (_T.next_due == row.next_due)
    connection.execute(update(TRIGGERS).where(same).values(wake_at=wake_at))


def count(connection: Connection, tenant_id: str, name: str, tally: Tally) -> None:
    """Adds a firing that no due time caused."""
    within(connection, tenant_id)
    connection.execute(update(TRIGGERS).where(_mine(tenant_id, name)).values(**_counted(tally)))


def _counted(tally: Tally) -> dict[str, Any]:
    values: dict[str, Any] = {"fired": _T.fired + tally.fired, "skipped": _T.skipped + tally.skipped}
    if tally.run_id:
        values |= {"last_fired": tally.at, "last_run_id": tally.run_id}
    return values
