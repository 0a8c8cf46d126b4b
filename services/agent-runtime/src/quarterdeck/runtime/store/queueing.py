"""Runs that are accepted for the queue, many in one statement.

What goes together is what waits for nobody. A run whose idempotency key was used, or that finds an open run
at one of its gates, is left out: `starting.accepting.accept` says what follows from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common.database import serialize, within
from quarterdeck.runtime.store.births import Newborn, create_together
from quarterdeck.runtime.store.commits import Commit, insert_runs
from quarterdeck.runtime.store.gates import Gates
from quarterdeck.runtime.store.labels import index_labels
from quarterdeck.runtime.tables import RUNS


def for_the_queue(row: dict[str, Any], once: str) -> Newborn:
    """Returns a run that nobody holds and that has no event yet."""
    return Newborn(row, Commit(row["run_id"], row["tenant_id"], worker="", epoch=0, seq=0), once)


def queue_together(connection: Connection, births: Sequence[Newborn]) -> set[str]:
    """Creates runs of one tenant for the queue; returns the ids of those that were."""
    tenant_id = births[0].row["tenant_id"]
    within(connection, tenant_id)
    names = {name for birth in births for name in _gates(birth).names()}
    serialize(connection, *names)
    first = list(_first_of_each(births, _taken(connection, tenant_id, births) if names else set()))
    if connection.dialect.name == "postgresql":
        return create_together(connection, first) if first else set()
    return _create_unused(connection, tenant_id, first)


def _gates(birth: Newborn) -> Gates:
    return Gates(birth.row["tenant_id"], birth.row["session"], birth.row["gate"])


def _first_of_each(births: Sequence[Newborn], taken: set[str]) -> Iterator[Newborn]:
    """Yields the runs that find nobody at their gates, and none of the same key, nor of this very list."""
    seen = set(taken)
    for birth in births:
        names = [*_gates(birth).names(), *filter(None, [birth.once])]
        if seen.isdisjoint(names):
            yield birth
        seen.update(names)


def _taken(connection: Connection, tenant_id: str, births: Sequence[Newborn]) -> set[str]:
    """Returns the names of the gates with an open run. Nobody else comes or goes at them now."""
    keys = {birth.row["gate"] for birth in births} - {""}
    sessions = {birth.row["session"] for birth in births} - {""}
    mine = (RUNS.c.tenant_id == tenant_id) & RUNS.c.finished_at.is_(None)
    found = set()
    if keys:
        found |= set(connection.execute(select(RUNS.c.gate).where(mine, RUNS.c.gate.in_(keys))).scalars())
    if sessions:
        query = select(RUNS.c.session).where(mine, RUNS.c.session.in_(sessions))
        for session in connection.execute(query).scalars():
            found |= set(Gates(tenant_id, session, "").names())
    return found


def _create_unused(connection: Connection, tenant_id: str, births: Sequence[Newborn]) -> set[str]:
    keys = [birth.row["idempotency_key"] for birth in births if birth.once]
    mine = (RUNS.c.tenant_id == tenant_id) & RUNS.c.idempotency_key.in_(keys)
    used = set(connection.execute(select(RUNS.c.idempotency_key).where(mine)).scalars()) if keys else set()
    rows = [birth.row for birth in births if birth.row["idempotency_key"] not in used]
    if rows:
        insert_runs(connection, rows)
        index_labels(connection, rows)
    return {row["run_id"] for row in rows}
