"""In which order a transaction locks, so that two never wait for each other.

Gates first, then the places of runs in the queue from below upwards, then what belongs to a run. A run that
ends holds its own place and asks for its parent's, so who tells children something locks them before the run
above them. Timers that fire wait for nobody: what is locked is left for the next look.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common.database import serialize
from quarterdeck.runtime.store import statements
from quarterdeck.runtime.store.gates import Gates
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS


def lock_gates(connection: Connection, own: Gates | None, children: Sequence[dict[str, Any]]) -> None:
    """Locks the gates at which a commit decides.

    Args:
        own: of the run, when it is over.
        children: rows of runs that it begins.
    """
    sessions = [Gates(row["tenant_id"], row["session"], "") for row in children if row.get("session")]
    gates = [own, *sessions] if own else sessions
    serialize(connection, *(name for one in gates for name in one.names()))


def lock_place(connection: Connection, run_id: str) -> None:
    """Locks the place of a run, if it has one."""
    statements.STATUS.rows(connection, {"b_run": run_id})


def lock_children(connection: Connection, parent: str) -> None:
    """Locks the places of the open children of a run, oldest first."""
    mine = select(RUNS.c.run_id).where(RUNS.c.parent_run_id == parent, RUNS.c.finished_at.is_(None))
    places = select(RUN_QUEUE.c.run_id).where(RUN_QUEUE.c.run_id.in_(mine)).order_by(RUN_QUEUE.c.run_id)
    connection.execute(places.with_for_update())


def lock_what_is_free(connection: Connection, runs: Collection[str]) -> set[str]:
    """Locks the places of runs, and returns the runs whose place somebody else has locked."""
    places = select(RUN_QUEUE.c.run_id).where(RUN_QUEUE.c.run_id.in_(sorted(runs)))
    locked = places.order_by(RUN_QUEUE.c.run_id).with_for_update(skip_locked=True)
    mine = set(connection.execute(locked).scalars())
    # One that is neither is over.
    return set(connection.execute(places).scalars()) - mine if len(mine) < len(runs) else set()
