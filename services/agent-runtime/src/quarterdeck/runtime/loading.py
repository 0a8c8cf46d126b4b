"""Reading a claimed run: its row, its state, and the definition it pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from quarterdeck.common import codec
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.journal import Recorded, read_events, read_snapshot
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS
from quarterdeck.runtime.unit import RunFacts

JOURNAL_PAGE = 10_000
_ROW = (
    select(RUNS, RUN_QUEUE.c.priority, RUN_QUEUE.c.inbox)
    .join(RUN_QUEUE, RUN_QUEUE.c.run_id == RUNS.c.run_id)
    .where(RUNS.c.run_id == bindparam("b_run"))
)


@dataclass(slots=True)
class Loaded:
    """A run as its executor begins with it. `row` has the columns of `runs`, `priority` and `inbox`."""

    facts: RunFacts
    state: RunState
    row: Any


async def load(engine: Engine, claim: Claim) -> Loaded:
    """Reads a claimed run: from memory if it was here before, else from snapshot and journal."""
    kept = engine.take_state(claim.run_id, claim.seq)
    row, snapshot, journal = await engine.database.read(_read, claim, kept is not None)
    facts = facts_of(row)
    if kept is not None:
        return Loaded(facts, kept, row)
    state = RunState.from_json(codec.loads(snapshot)) if snapshot else RunState(run_id=claim.run_id)
    return Loaded(facts, fold(claim.run_id, (entry.event() for entry in journal), state), row)


def _read(
    connection: Connection, claim: Claim, row_only: bool
) -> tuple[Row[Any], bytes | None, list[Recorded]]:
    row = connection.execute(_ROW, {"b_run": claim.run_id}).one()
    if row_only or claim.seq == 0:
        return row, None, []
    snapshot = read_snapshot(connection, claim.tenant_id, claim.run_id)
    after = snapshot[0] if snapshot else 0
    journal = read_events(connection, claim.tenant_id, claim.run_id, after, JOURNAL_PAGE)
    return row, snapshot[1] if snapshot else None, journal


def facts_of(row: Any) -> RunFacts:
    """Returns what stays the same about a run, from its row (with its priority)."""
    return RunFacts(
        run_id=row.run_id,
        tenant_id=row.tenant_id,
        tenant=row.tenant,
        kind=row.kind,
        name=row.name,
        closure=row.closure,
        root_run_id=row.root_run_id,
        parent_run_id=row.parent_run_id,
        parent_step=row.parent_step,
        item_index=row.item_index,
        session=row.session,
        gate=row.gate,
        priority=row.priority,
        depth=row.depth,
        principal=codec.loads(row.principal),
        labels=codec.loads(row.labels),
        started=row.started_at is not None,
    )


async def load_idle(engine: Engine, tenant_id: str, run_id: str) -> RunState:
    """Returns the state of a run that nobody advances at the moment, without claiming it."""
    snapshot, journal = await engine.database.read(_read_idle, tenant_id, run_id)
    state = RunState.from_json(codec.loads(snapshot)) if snapshot else RunState(run_id=run_id)
    return fold(run_id, (entry.event() for entry in journal), state)


def _read_idle(connection: Connection, tenant_id: str, run_id: str) -> tuple[bytes | None, list[Recorded]]:
    snapshot = read_snapshot(connection, tenant_id, run_id)
    after = snapshot[0] if snapshot else 0
    return snapshot[1] if snapshot else None, read_events(connection, tenant_id, run_id, after, JOURNAL_PAGE)
