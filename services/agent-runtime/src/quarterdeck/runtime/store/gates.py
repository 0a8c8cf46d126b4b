"""Who goes first: the turns of a session, and the runs of a key, go one at a time and oldest first.

A run with a session and a key waits at both gates. It goes when nobody older waits at either and nobody
is through either of them: the oldest of all can always go, so nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from quarterdeck.common.database import serialize, within
from quarterdeck.runtime.tables import AT_GATE, IN_SESSION, RUN_QUEUE, RUNS

_OPEN = (
    select(
        RUNS.c.run_id,
        RUNS.c.session,
        RUNS.c.gate,
        RUNS.c.created_at,
        RUNS.c.parent_run_id,
        RUN_QUEUE.c.status,
    )
    .join(RUN_QUEUE, RUN_QUEUE.c.run_id == RUNS.c.run_id)
    .where(RUNS.c.finished_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of one run: its session's and its key's; either may be empty."""

    tenant_id: str
    session: str
    key: str

    def names(self) -> list[str]:
        """Returns what only one transaction at a time decides about."""
        session = f"{self.tenant_id}/session/{self.session}" if self.session else ""
        return [name for name in (session, self.key) if name]

    def members(self) -> list[ColumnElement[bool]]:
        """Returns for each gate which runs are at it."""
        found: list[ColumnElement[bool]] = []
        if self.session:
            found.append((RUNS.c.tenant_id == self.tenant_id) & (RUNS.c.session == self.session) & IN_SESSION)
        if self.key:
            found.append((RUNS.c.gate == self.key) & AT_GATE)
        return found


def ahead(connection: Connection, gates: Gates) -> list[Any]:
    """Returns the open runs at any of these gates. Until the transaction ends nobody else comes or goes."""
    serialize(connection, *gates.names())
    return [row for members in gates.members() for row in connection.execute(_OPEN.where(members)).all()]


def hold_back(connection: Connection, children: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows of new children; those with a session whose turn it is not are gated.

    A child whose ancestor has the turn takes part in it: waiting for each other they would never end.
    """
    taken: set[str] = set()
    if children:
        within(connection, children[0]["tenant_id"])
    sessions = [Gates(row["tenant_id"], row["session"], "") for row in children if row.get("session")]
    serialize(connection, *(name for gates in sessions for name in gates.names()))
    return [_held_back(connection, row, taken) if row.get("session") else row for row in children]


def _held_back(connection: Connection, row: dict[str, Any], taken: set[str]) -> dict[str, Any]:
    before = ahead(connection, Gates(row["tenant_id"], row["session"], ""))
    free = not before and row["session"] not in taken
    taken.add(row["session"])
    if free or _any_above(connection, row["parent_run_id"], {other.run_id for other in before}):
        return row
    return {**row, "queue_status": "gated"}


def _any_above(connection: Connection, run_id: str, wanted: set[str]) -> bool:
    while run_id and wanted:
        if run_id in wanted:
            return True
        above = select(RUNS.c.parent_run_id).where(RUNS.c.run_id == run_id)
        run_id = connection.execute(above).scalar() or ""
    return False


def open_gates(connection: Connection, gates: Gates, ready: list[str], now: float) -> None:
    """A run is over: lets the next one at each of its gates go, if it is the next at all of its own."""
    serialize(connection, *gates.names())
    for members in gates.members():
        following = _first(connection.execute(_OPEN.where(members)).all())
        if following is not None and _is_next(connection, gates.tenant_id, following):
            go = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == following.run_id)
            connection.execute(go.values(status="ready", ready_at=now))
            ready.append(following.run_id)


def _is_next(connection: Connection, tenant_id: str, run: Any) -> bool:
    own = Gates(tenant_id, run.session, run.gate)
    # Who is over at another gate at this moment looks at this run too: one of both must see that it is next.
    serialize(connection, *own.names())
    firsts = [_first(connection.execute(_OPEN.where(members)).all()) for members in own.members()]
    return all(first is not None and first.run_id == run.run_id for first in firsts)


def _first(at_gate: Sequence[Any]) -> Any:
    """Returns the oldest of those that wait; None if somebody is through and not over."""
    if not at_gate or any(row.status != "gated" for row in at_gate):
        return None
    return min(at_gate, key=lambda row: (row.created_at, row.run_id))
