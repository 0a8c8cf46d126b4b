"""The one way a run moves on: a fenced append with everything that belongs to it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from quarterdeck.common.database import within
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.store import packing, statements
from quarterdeck.runtime.store.family import tell_children
from quarterdeck.runtime.store.gates import Gates, hold_back, open_gates
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.store.labels import index_labels
from quarterdeck.runtime.store.locking import lock_children, lock_gates
from quarterdeck.runtime.tables import APPROVALS, RUNS


class Fate(Enum):
    """What became of a commit."""

    DONE = "done"
    # It was appended, but the inbox has moved: the run must not park yet.
    NOT_PARKED = "not-parked"
    # Somebody else has locked the run at this moment. Nothing was written; it may be tried again.
    BUSY = "busy"
    # Somebody else holds the run now. Nothing was written.
    FENCED = "fenced"


@dataclass(slots=True)
class Commit:
    """One append.

    `batch` names it, uniquely within the run's epoch: whoever lost the answer finds out by it.
    `seq` is the last sequence number before it. `inbox_seen` is the inbox counter that the
    worker has read up to; parking compares it. `consumed` are ids of inbox rows that these
    events answer.
    """

    run_id: str
    tenant_id: str
    worker: str
    epoch: int
    seq: int
    events: Sequence[Event] = ()
    consumed: Sequence[int] = ()
    timers: Sequence[dict[str, Any]] = ()
    timers_cleared: Sequence[str] = ()
    children: Sequence[dict[str, Any]] = ()
    approvals: Sequence[dict[str, Any]] = ()
    approvals_closed: dict[str, dict[str, Any]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    deliveries: Sequence[Delivery] = ()
    cancel_children: str = ""
    # "pause" or "unpause": the run has been paused, or is no longer, and its children with it.
    steer_children: str = ""
    cancelled: Sequence[str] = ()
    cancelled_keys: Sequence[str] = ()
    snapshot: bytes | None = None
    park_if_inbox: int | None = None
    finished: bool = False
    gate: str = ""
    session: str = ""
    batch: str = ""


@dataclass(slots=True)
class Committed:
    """The answer: its fate, runs that became ready, and workers to poke as {run_id: worker}."""

    fate: Fate
    ready: list[str] = field(default_factory=list)
    poke: dict[str, str] = field(default_factory=dict)


def commit(connection: Connection, unit: Commit, now: float) -> Committed:
    """Appends, if the run is still held under this epoch and nothing was appended meanwhile."""
    within(connection, unit.tenant_id)
    _lock_first(connection, unit)
    fence = {
        "b_run": unit.run_id,
        "b_epoch": unit.epoch,
        "b_worker": unit.worker,
        "b_seq": unit.seq,
        "b_next": unit.seq + len(unit.events),
        "b_batch": unit.batch,
    }
    if statements.FENCE(connection, fence) != 1:
        return Committed(Fate.FENCED)
    answer = Committed(Fate.DONE)
    _append(connection, unit)
    _side_tables(connection, unit, answer)
    if unit.run:
        statements.update_run(frozenset(unit.run))(connection, {"b_run": unit.run_id, **unit.run})
    if unit.cancel_children or unit.cancelled or unit.cancelled_keys:
        _cancel_children(connection, unit, answer, now)
    if unit.steer_children:
        family = (unit.run_id, unit.tenant_id, unit.steer_children, {"by": "parent", "reason": ""})
        tell_children(connection, *family, now, answer.ready, answer.poke)
    for delivery in unit.deliveries:
        deliver(connection, delivery, now, answer.ready, answer.poke)
    if unit.finished:
        _release_finished(connection, unit, answer, now)
    elif unit.park_if_inbox is not None and not _park(connection, unit):
        answer.fate = Fate.NOT_PARKED
    return answer


def _lock_first(connection: Connection, unit: Commit) -> None:
    """Locks what this append will touch and others lock before a run's own place; see `locking`."""
    if unit.finished or unit.children:
        own = Gates(unit.tenant_id, unit.session, unit.gate) if unit.finished else None
        lock_gates(connection, own, unit.children)
    if unit.cancel_children or unit.cancelled or unit.cancelled_keys or unit.steer_children:
        lock_children(connection, unit.run_id)


def _append(connection: Connection, unit: Commit) -> None:
    if unit.events:
        statements.APPEND.many(connection, journal_rows(unit))


def journal_rows(unit: Commit) -> list[dict[str, Any]]:
    """Returns the events of an append as rows of the journal."""
    return packing.rows(unit.run_id, unit.tenant_id, unit.seq, unit.events)


def _side_tables(connection: Connection, unit: Commit, answer: Committed) -> None:
    if unit.consumed:
        statements.DROP_CONSUMED.many(connection, [{"b_id": row_id} for row_id in unit.consumed])
    if unit.timers_cleared:
        cleared = [{"b_run": unit.run_id, "b_timer": timer} for timer in unit.timers_cleared]
        statements.CLEAR_TIMER.many(connection, cleared)
    if unit.timers:
        statements.SET_TIMER.many(connection, list(unit.timers))
    if unit.approvals:
        connection.execute(insert(APPROVALS), list(unit.approvals))
    for approval_id, values in unit.approvals_closed.items():
        still_open = (APPROVALS.c.approval_id == approval_id) & (APPROVALS.c.state == "open")
        connection.execute(update(APPROVALS).where(still_open).values(**values))
    if unit.children:
        children = hold_back(connection, unit.children)
        insert_runs(connection, children)
        index_labels(connection, children)
        answer.ready.extend(child["run_id"] for child in children if child["queue_status"] == "ready")
    if unit.snapshot is not None:
        _save_snapshot(connection, unit)


def insert_runs(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Creates runs, each with its place in the queue.

    Args:
        rows: column values of `runs`, plus `queue_status` and `priority` for the queue, and
            `worker` and `epoch` if somebody holds the run from the beginning, `lane` and
            `lane_limit` if it shares its agent's limit.
    """
    queue = [
        {
            "run_id": row["run_id"],
            "tenant_id": row["tenant_id"],
            "status": row["queue_status"],
            "ready_at": row["created_at"],
            "priority": row["priority"],
            "worker": row.get("worker", ""),
            "epoch": row.get("epoch", 0),
            "attempts": 0,
            "seq": 0,
            "inbox": 0,
            "version": REDUCER_VERSION,
            "lane": row.get("lane", ""),
            "lane_limit": row.get("lane_limit", 0),
        }
        for row in rows
    ]
    if rows:
        within(connection, rows[0]["tenant_id"])
    statements.INSERT_RUN.many(connection, rows)
    statements.ENQUEUE.many(connection, queue)


def _save_snapshot(connection: Connection, unit: Commit) -> None:
    statements.DROP_SNAPSHOT(connection, {"b_run": unit.run_id})
    values = {
        "run_id": unit.run_id,
        "tenant_id": unit.tenant_id,
        "seq": unit.seq + len(unit.events),
        "version": REDUCER_VERSION,
        "state": unit.snapshot,
    }
    statements.SAVE_SNAPSHOT(connection, values)


def _cancel_children(connection: Connection, unit: Commit, answer: Committed, now: float) -> None:
    """Tells every open child to stop, or some of them; each passes it on to its own."""
    open_children = select(RUNS.c.run_id).where(
        RUNS.c.parent_run_id == unit.run_id, RUNS.c.finished_at.is_(None)
    )
    if not unit.cancel_children:
        chosen = RUNS.c.run_id.in_(unit.cancelled) | RUNS.c.parent_step.in_(unit.cancelled_keys)
        open_children = open_children.where(chosen)
    data = {"reason": unit.cancel_children or "no longer needed", "by": "parent"}
    for row in connection.execute(open_children).all():
        cancel = Delivery(row.run_id, unit.tenant_id, "cancel", data, dedup="cancel:parent")
        deliver(connection, cancel, now, answer.ready, answer.poke)


def _release_finished(connection: Connection, unit: Commit, answer: Committed, now: float) -> None:
    """The run is over: nothing waits in its name any more, and who waited for its gate may go."""
    for forget in statements.FORGET:
        forget(connection, {"b_run": unit.run_id})
    statements.WITHDRAW(connection, {"b_run": unit.run_id, "b_now": now})
    open_gates(connection, Gates(unit.tenant_id, unit.session, unit.gate), answer.ready, now)


def _park(connection: Connection, unit: Commit) -> bool:
    """Parks the run unless something arrived in its inbox since the worker looked."""
    mine = {"b_run": unit.run_id, "b_epoch": unit.epoch, "b_inbox": unit.park_if_inbox}
    return statements.PARK(connection, mine) == 1
