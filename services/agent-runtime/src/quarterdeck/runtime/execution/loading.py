"""Reading a claimed run: its row, its state, and the definition it pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.errors import Internal
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.journal import read_events, read_snapshot
from quarterdeck.runtime.store.packing import Recorded
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS

# Events folded without letting others have a turn.
JOURNAL_PAGE = 500
# A snapshot (sequence number, state as JSON) and the first page of what came after it.
Stored = tuple[tuple[int, bytes] | None, list[Recorded]]
_ROW = Prepared(
    select(RUNS, RUN_QUEUE.c.priority, RUN_QUEUE.c.inbox, RUN_QUEUE.c.epoch)
    .join(RUN_QUEUE, RUN_QUEUE.c.run_id == RUNS.c.run_id)
    .where(RUNS.c.run_id == bindparam("b_run"))
)


class Fenced(Exception):
    """Somebody else holds the run; everything its executor knows about it is void."""


@dataclass(slots=True)
class Loaded:
    """A run as its executor begins with it. `row` has the columns of `runs`, `priority` and `inbox`."""

    facts: RunFacts
    state: RunState
    row: Any
    snapshot_seq: int = 0


async def load(engine: Engine, claim: Claim) -> Loaded:
    """Reads a claimed run: from memory if it was here before, else from snapshot and journal.

    Raises Fenced when the answer to the claim came so late that others have gone on with the run.
    """
    kept = engine.take_state(claim.run_id, claim.seq)
    row, stored = await engine.database.read(_read, claim, kept is not None)
    facts = facts_of(row)
    if kept is not None:
        return Loaded(facts, kept.state, row, kept.snapshot_seq)
    state, snapshot_seq = await _folded(engine, claim.tenant_id, claim.run_id, stored)
    if state.seq > claim.seq:  # between two pages
        raise Fenced(claim.run_id)
    if state.seq != claim.seq:
        raise Internal(f"the journal of run {claim.run_id} ends at {state.seq} and not at {claim.seq}")
    return Loaded(facts, state, row, snapshot_seq)


def _read(connection: Connection, claim: Claim, row_only: bool) -> tuple[Row[Any], Stored]:
    within(connection, claim.tenant_id)
    row: Row[Any] | None = _ROW.record(connection, {"b_run": claim.run_id})
    if row is None or row.epoch != claim.epoch:
        raise Fenced(claim.run_id)
    if row_only or claim.seq == 0:
        return row, (None, [])
    return row, _read_stored(connection, claim.tenant_id, claim.run_id)


def _read_stored(connection: Connection, tenant_id: str, run_id: str) -> Stored:
    snapshot = read_snapshot(connection, tenant_id, run_id)
    after = snapshot[0] if snapshot else 0
    return snapshot, read_events(connection, tenant_id, run_id, after, JOURNAL_PAGE)


async def _folded(engine: Engine, tenant_id: str, run_id: str, stored: Stored) -> tuple[RunState, int]:
    """Returns the state and the sequence number of its snapshot. Others get a turn between two pages."""
    snapshot, page = stored
    state = RunState.from_json(codec.loads(snapshot[1])) if snapshot else RunState(run_id=run_id)
    while page:
        fold(run_id, (entry.event() for entry in page), state)
        if len(page) < JOURNAL_PAGE:
            break
        page = await engine.database.read(read_events, tenant_id, run_id, state.seq, JOURNAL_PAGE)
    return state, snapshot[0] if snapshot else 0


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
        budget=codec.loads(row.budget),
        started=row.started_at is not None,
    )


async def load_idle(engine: Engine, tenant_id: str, run_id: str) -> RunState:
    """Returns the state of a run that nobody advances at the moment, without claiming it."""
    stored = await engine.database.read(_read_stored, tenant_id, run_id)
    state, _ = await _folded(engine, tenant_id, run_id, stored)
    return state
