"""What has been over for long enough: finding it, archiving it, deleting it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Subquery, delete, func, select

from quarterdeck.common.database import across_tenants, within
from quarterdeck.common.ids import uuid7
from quarterdeck.runtime.store import archives
from quarterdeck.runtime.tables import APPROVALS, ARCHIVES, JOURNAL, RUN_LABELS, RUNS

# Events that one transaction archives, unless a single run has more.
EVENTS_AT_ONCE = 5000
RUNS_AT_ONCE = 200
_ROOTS = RUNS.alias("roots")


@dataclass(slots=True)
class Swept:
    """What one transaction did. `more`: there may be more of the same."""

    runs: int = 0
    events: int = 0
    more: bool = False


def tenant_after(connection: Connection, tenant_id: str) -> tuple[str, str] | None:
    """Returns (id, name) of the next tenant that has runs, in the order of their ids; None after the last."""
    across_tenants(connection)
    query = select(RUNS.c.tenant_id, RUNS.c.tenant).where(RUNS.c.tenant_id > tenant_id)
    row = connection.execute(query.order_by(RUNS.c.tenant_id).limit(1)).first()
    return None if row is None else (row.tenant_id, row.tenant)


def archivable(connection: Connection, tenant_id: str, before: float, limit: int) -> list[tuple[str, int]]:
    """Returns (run id, events) of runs with a journal of their own whose whole tree ended before a moment.

    A run that ended by then began by then, and ids are in the order of beginnings: the search is over the
    old end of the journal, where what is archived already has left nothing to look at.
    """
    within(connection, tenant_id)
    journals = _journals(tenant_id, before)
    query = (
        select(RUNS.c.run_id, RUNS.c.last_seq)
        .join(journals, journals.c.run_id == RUNS.c.run_id)
        .join(_ROOTS, _ROOTS.c.run_id == RUNS.c.root_run_id)
        .where(
            RUNS.c.tenant_id == tenant_id,
            RUNS.c.finished_at < before,
            _ROOTS.c.finished_at < before,
        )
        .order_by(RUNS.c.run_id)
        .limit(limit)
    )
    return [(row.run_id, row.last_seq) for row in connection.execute(query).all()]


def _journals(tenant_id: str, before: float) -> Subquery:
    """Returns the ids of runs with a journal of their own that began before a moment."""
    youngest = uuid7(max(0, int(before * 1000)), bytes(10))
    old = (JOURNAL.c.tenant_id == tenant_id) & (JOURNAL.c.run_id < youngest)
    return select(JOURNAL.c.run_id).where(old).distinct().subquery("journals")


def archive_some(connection: Connection, tenant_id: str, before: float, now: float) -> Swept:
    """Archives some of what ended before a moment."""
    done = Swept()
    found = archivable(connection, tenant_id, before, RUNS_AT_ONCE)
    for run_id, _ in found:
        done.events += archives.archive(connection, tenant_id, run_id, now)
        done.runs += 1
        if done.events >= EVENTS_AT_ONCE:
            break
    done.more = done.runs < len(found) or len(found) == RUNS_AT_ONCE
    return done


def delete_some(connection: Connection, tenant_id: str, before: float) -> Swept:
    """Deletes some archived trees that ended before a moment, and were brought here before it."""
    within(connection, tenant_id)
    query = (
        select(RUNS.c.run_id)
        .join(ARCHIVES, ARCHIVES.c.run_id == RUNS.c.run_id)
        .where(
            RUNS.c.tenant_id == tenant_id,
            RUNS.c.parent_run_id == "",
            RUNS.c.finished_at < before,
            (ARCHIVES.c.origin != archives.IMPORT) | (ARCHIVES.c.archived_at < before),
        )
        .distinct()
        .order_by(RUNS.c.run_id)
        .limit(RUNS_AT_ONCE)
    )
    roots = list(connection.execute(query).scalars())
    deleted = sum(_delete_tree(connection, tenant_id, root) for root in roots)
    return Swept(runs=deleted, more=len(roots) == RUNS_AT_ONCE)


def _delete_tree(connection: Connection, tenant_id: str, root: str) -> int:
    tree = select(RUNS.c.run_id).where(RUNS.c.tenant_id == tenant_id, RUNS.c.root_run_id == root)
    for table in (ARCHIVES, JOURNAL, RUN_LABELS, APPROVALS):
        connection.execute(delete(table).where(table.c.tenant_id == tenant_id, table.c.run_id.in_(tree)))
    mine = (RUNS.c.tenant_id == tenant_id) & (RUNS.c.root_run_id == root)
    return connection.execute(delete(RUNS).where(mine)).rowcount


def count_archivable(connection: Connection, tenant_id: str, before: float) -> Swept:
    """Returns how many runs, with how many events, would be archived."""
    within(connection, tenant_id)
    journals = _journals(tenant_id, before)
    query = (
        select(func.count(), func.coalesce(func.sum(RUNS.c.last_seq), 0))
        .select_from(RUNS)
        .join(journals, journals.c.run_id == RUNS.c.run_id)
        .join(_ROOTS, _ROOTS.c.run_id == RUNS.c.root_run_id)
        .where(
            RUNS.c.tenant_id == tenant_id,
            RUNS.c.finished_at < before,
            _ROOTS.c.finished_at < before,
        )
    )
    runs, events = connection.execute(query).one()
    return Swept(runs=int(runs), events=int(events))
