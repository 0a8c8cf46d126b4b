"""Reading journals and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.events import EFFECT_INTENT, EFFECT_OUTCOME, Event
from quarterdeck.runtime.store import archives
from quarterdeck.runtime.store.trees import tree_of
from quarterdeck.runtime.tables import ARCHIVES, JOURNAL, SNAPSHOTS

_ABOUT_EFFECTS = (EFFECT_INTENT, EFFECT_OUTCOME)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One journal entry with its place; `data` is still JSON."""

    seq: int
    type: str
    data: bytes
    at: float

    def event(self) -> Event:
        """Returns the event itself."""
        return Event(self.type, codec.loads(self.data), self.at)


def read_events(
    connection: Connection, tenant_id: str, run_id: str, after: int, limit: int
) -> list[Recorded]:
    """Returns up to `limit` entries with a sequence number above `after`, in order; archived ones too."""
    within(connection, tenant_id)
    query = (
        select(JOURNAL.c.seq, JOURNAL.c.type, JOURNAL.c.data, JOURNAL.c.at)
        .where(JOURNAL.c.run_id == run_id, JOURNAL.c.seq > after, JOURNAL.c.tenant_id == tenant_id)
        .order_by(JOURNAL.c.seq)
        .limit(limit)
    )
    found = [Recorded(row.seq, row.type, row.data, row.at) for row in connection.execute(query).all()]
    if found:
        return found
    archived = archives.read(connection, tenant_id, run_id, after, limit)
    return [Recorded(seq, kind, data.encode(), at) for seq, kind, data, at in archived]


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
    query = query.where(j.tenant_id == tenant_id, wanted, j.type.in_(_ABOUT_EFFECTS))
    for row in connection.execute(query.order_by(j.run_id, j.seq)):
        yield row.run_id, Recorded(row.seq, row.type, row.data, row.at)
    archived = select(ARCHIVES.c.run_id).join(tree, tree.c.run_id == ARCHIVES.c.run_id)
    archived = archived.where(ARCHIVES.c.tenant_id == tenant_id, wanted).distinct()
    for one in connection.execute(archived).scalars().all():
        for seq, kind, data, at in archives.read_all(connection, tenant_id, one):
            if kind in _ABOUT_EFFECTS:
                yield one, Recorded(seq, kind, data.encode(), at)


def read_snapshot(connection: Connection, tenant_id: str, run_id: str) -> tuple[int, bytes] | None:
    """Returns (sequence number, state as JSON) of a snapshot that this reducer can read, or None."""
    within(connection, tenant_id)
    query = select(SNAPSHOTS.c.seq, SNAPSHOTS.c.state).where(
        SNAPSHOTS.c.run_id == run_id,
        SNAPSHOTS.c.tenant_id == tenant_id,
        SNAPSHOTS.c.version == REDUCER_VERSION,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.seq, row.state)
