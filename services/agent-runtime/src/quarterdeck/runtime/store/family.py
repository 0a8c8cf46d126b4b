"""The runs below a run: finding them, and telling them something."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common.database import within
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.store.trees import tree_of
from quarterdeck.runtime.tables import RUNS


def tell_children(
    connection: Connection,
    parent: str,
    tenant_id: str,
    kind: str,
    data: dict[str, Any],
    now: float,
    ready: list[str],
    poke: dict[str, str],
) -> None:
    """Delivers something to every open child of a run; each passes it on to its own when it reads it."""
    within(connection, tenant_id)
    open_children = select(RUNS.c.run_id).where(RUNS.c.parent_run_id == parent, RUNS.c.finished_at.is_(None))
    for row in connection.execute(open_children.order_by(RUNS.c.run_id)).all():
        deliver(connection, Delivery(row.run_id, tenant_id, kind, data), now, ready, poke)


def open_below(connection: Connection, run: Any, limit: int) -> list[str]:
    """Returns the ids of up to `limit` open runs below one, oldest first; also below runs that have ended.

    Args:
        run: its row.
    """
    within(connection, run.tenant_id)
    still_open = select(RUNS.c.run_id).where(RUNS.c.tenant_id == run.tenant_id, RUNS.c.finished_at.is_(None))
    if run.root_run_id == run.run_id:
        mine = still_open.where(RUNS.c.root_run_id == run.run_id, RUNS.c.run_id != run.run_id)
        found = connection.execute(mine.order_by(RUNS.c.run_id).limit(limit)).scalars()
        return [str(run_id) for run_id in found]
    below = tree_of(run.tenant_id, run.run_id)
    mine = still_open.join(below, below.c.run_id == RUNS.c.run_id).where(below.c.level > 0)
    return [str(found) for found in connection.execute(mine.order_by(RUNS.c.run_id).limit(limit)).scalars()]
