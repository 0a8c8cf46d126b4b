"""Reading journals and snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, func, or_, select

from quarterdeck.common.database import within
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.events import EFFECT_INTENT, EFFECT_OUTCOME
from quarterdeck.runtime.store import archives
from quarterdeck.runtime.store.packing import Recorded, entries
from quarterdeck.runtime.store.trees import tree_of
from quarterdeck.runtime.tables import ARCHIVES, JOURNAL, SNAPSHOTS

_ABOUT_EFFECTS = (EFFECT_INTENT, EFFECT_OUTCOME)
_ROWS = select(JOURNAL.c.seq, JOURNAL.c.type, JOURNAL.c.data, JOURNAL.c.at)
_LAST_SEQ = (1 << 31) - 1


def _page() -> Prepared:
    mine = (JOURNAL.c.run_id == bindparam("b_run")) & (JOURNAL.c.tenant_id == bindparam("b_tenant"))
    after, until = bindparam("b_after", type_=Integer), bindparam("b_until", type_=Integer)
    # A row is found under its last event: the one that holds the last that is wanted may end beyond it.
    last = select(JOURNAL.c.seq).where(mine, JOURNAL.c.seq >= until).order_by(JOURNAL.c.seq).limit(1)
    wanted = (JOURNAL.c.seq > after) & (JOURNAL.c.seq <= func.coalesce(last.scalar_subquery(), until))
    return Prepared(_ROWS.where(mine, wanted).order_by(JOURNAL.c.seq))


_PAGE = _page()


def read_events(
    connection: Connection, tenant_id: str, run_id: str, after: int, limit: int
) -> list[Recorded]:
    """Returns up to `limit` entries with a sequence number above `after`, in order; archived ones too."""
    within(connection, tenant_id)
    until = min(after + limit, _LAST_SEQ)
    place = {"b_run": run_id, "b_tenant": tenant_id, "b_after": after, "b_until": until}
    found = [
        entry
        for row in _PAGE.rows(connection, place)
        for entry in entries(*row)
        if after < entry.seq <= until
    ]
    if found:
        return found
    archived = archives.read(connection, tenant_id, run_id, after, limit)
    return [Recorded(seq, kind, data.encode(), at) for seq, kind, data, at in archived]


def of_type(connection: Connection, tenant_id: str, run_id: str, *types: str) -> Iterator[Recorded]:
    """Yields the entries of some types of a journal that is not archived, in order."""
    within(connection, tenant_id)
    query = _with_any(_ROWS, types).where(JOURNAL.c.run_id == run_id, JOURNAL.c.tenant_id == tenant_id)
    for row in connection.execute(query.order_by(JOURNAL.c.seq)).all():
        yield from (entry for entry in entries(*row) if entry.type in types)


def last_of_type(connection: Connection, tenant_id: str, run_id: str, wanted: str) -> Recorded | None:
    """Returns the last entry of a type in a journal that is not archived."""
    within(connection, tenant_id)
    query = _with_any(_ROWS, (wanted,)).where(JOURNAL.c.run_id == run_id, JOURNAL.c.tenant_id == tenant_id)
    row = connection.execute(query.order_by(JOURNAL.c.seq.desc()).limit(1)).one_or_none()
    found = [entry for entry in entries(*row) if entry.type == wanted] if row is not None else []
    return found[-1] if found else None


def _with_any(query: Select[Any], types: Iterable[str]) -> Select[Any]:
    """Restricts a query to rows that may hold an event of these types."""
    return query.where(or_(*(JOURNAL.c.type.contains(name, autoescape=True) for name in types)))


def about_effects(
    connection: Connection, tenant_id: str, run_id: str, *, below: bool
) -> Iterator[tuple[str, Recorded]]:
    """Yields (run, entry) of intents and outcomes of a run, in order for each run; archived ones too.

    Args:
        below: also those of every run below it.
    """
    within(connection, tenant_id)
    tree, j = tree_of(tenant_id, run_id), JOURNAL.c
    wanted = tree.c.level >= 0 if below else tree.c.level == 0
    query = select(j.run_id, j.seq, j.type, j.data, j.at).join(tree, tree.c.run_id == j.run_id)
    query = _with_any(query, _ABOUT_EFFECTS).where(j.tenant_id == tenant_id, wanted)
    for row in connection.execute(query.order_by(j.run_id, j.seq)):
        found = entries(row.seq, row.type, row.data, row.at)
        yield from ((row.run_id, entry) for entry in found if entry.type in _ABOUT_EFFECTS)
    archived = select(ARCHIVES.c.run_id).join(tree, tree.c.run_id == ARCHIVES.c.run_id)
    archived = archived.where(ARCHIVES.c.tenant_id == tenant_id, wanted).distinct()
    for one in connection.execute(archived).scalars().all():
        for seq, kind, data, at in archives.read_all(connection, tenant_id, one):
            if kind in _ABOUT_EFFECTS:
                yield one, Recorded(seq, kind, data.encode(), at)


_SNAPSHOT = Prepared(
    select(SNAPSHOTS.c.seq, SNAPSHOTS.c.state).where(
        SNAPSHOTS.c.run_id == bindparam("b_run"),
        SNAPSHOTS.c.tenant_id == bindparam("b_tenant"),
        SNAPSHOTS.c.version == REDUCER_VERSION,
    )
)


def read_snapshot(connection: Connection, tenant_id: str, run_id: str) -> tuple[int, bytes] | None:
    """Returns (sequence number, state as JSON) of a snapshot that this reducer can read, or None."""
    within(connection, tenant_id)
    row = _SNAPSHOT.first(connection, {"b_run": run_id, "b_tenant": tenant_id})
    return None if row is None else (row[0], row[1])
