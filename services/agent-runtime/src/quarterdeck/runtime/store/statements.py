"""The statements that every step of every run makes, prepared."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, insert, select, text, update

from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.constants import READABLE_VERSION, SUSPECT_ATTEMPTS
from quarterdeck.runtime.store.places import PUT_BACK
from quarterdeck.runtime.tables import (
    APPROVALS,
    DELIVERED,
    INBOX,
    JOURNAL,
    RUN_QUEUE,
    RUNS,
    SNAPSHOTS,
    TIMERS,
)

_RUN: BindParameter[str] = bindparam("b_run")
_MINE = RUN_QUEUE.c.run_id == _RUN


def _insert(table: Any, *without: str) -> Prepared:
    return Prepared(insert(table), [name for name in table.c.keys() if name not in without])  # noqa: SIM118


# -- commits -----------------------------------------------------------------------------------
FENCE = Prepared(
    update(RUN_QUEUE)
    .where(
        _MINE,
        RUN_QUEUE.c.epoch == bindparam("b_epoch"),
        RUN_QUEUE.c.worker == bindparam("b_worker"),
        RUN_QUEUE.c.seq == bindparam("b_seq"),
        RUN_QUEUE.c.status == "held",
    )
    .values(seq=bindparam("b_next"), batch=bindparam("b_batch"), attempts=0, alone=0)
)
APPEND = _insert(JOURNAL)
INSERT_RUN = _insert(RUNS)
ENQUEUE = _insert(RUN_QUEUE)
PARK = Prepared(
    update(RUN_QUEUE)
    .where(_MINE, RUN_QUEUE.c.epoch == bindparam("b_epoch"), RUN_QUEUE.c.inbox == bindparam("b_inbox"))
    .values(status="parked", worker="")
)
DROP_CONSUMED = Prepared(delete(INBOX).where(INBOX.c.id == bindparam("b_id")))
FORGET = tuple(
    Prepared(delete(table).where(table.c.run_id == _RUN))
    for table in (RUN_QUEUE, TIMERS, INBOX, DELIVERED, SNAPSHOTS)
)
WITHDRAW = Prepared(
    update(APPROVALS)
    .where(APPROVALS.c.run_id == _RUN, APPROVALS.c.state == "open")
    .values(state="withdrawn", decided_at=bindparam("b_now"))
)
CLEAR_TIMER = Prepared(delete(TIMERS).where(TIMERS.c.run_id == _RUN, TIMERS.c.timer == bindparam("b_timer")))
SET_TIMER = _insert(TIMERS)
DROP_SNAPSHOT = Prepared(delete(SNAPSHOTS).where(SNAPSHOTS.c.run_id == _RUN))
SAVE_SNAPSHOT = _insert(SNAPSHOTS)


@cache
def update_run(columns: frozenset[str]) -> Prepared:
    """Returns the update of some columns of a run's row."""
    return Prepared(update(RUNS).where(RUNS.c.run_id == _RUN), sorted(columns))


# -- the inbox ---------------------------------------------------------------------------------
# Locks the row: a holder that parks at this moment does so before, and is woken, or after, and sees this.
STATUS = Prepared(select(RUN_QUEUE.c.worker, RUN_QUEUE.c.status).where(_MINE).with_for_update())
PUT = _insert(INBOX, "id")
BUMP = Prepared(update(RUN_QUEUE).where(_MINE).values(inbox=RUN_QUEUE.c.inbox + 1))
WAKE = Prepared(
    update(RUN_QUEUE)
    .where(_MINE, RUN_QUEUE.c.status == bindparam("b_status"))
    .values(status="ready", ready_at=bindparam("b_ready"), attempts=0)
)

# -- claiming ----------------------------------------------------------------------------------
_DUE = (
    RUN_QUEUE.c.status == "ready",
    RUN_QUEUE.c.ready_at <= bindparam("b_now"),
    RUN_QUEUE.c.version <= READABLE_VERSION,
)
_CANDIDATE = (
    RUN_QUEUE.c.run_id,
    RUN_QUEUE.c.tenant_id,
    RUN_QUEUE.c.epoch,
    RUN_QUEUE.c.seq,
    RUN_QUEUE.c.attempts,
)
# Written out as in the index's own condition; parameters would hide that it applies.
SUSPECTS = Prepared(
    select(*_CANDIDATE, RUN_QUEUE.c.alone, RUN_QUEUE.c.ready_at, RUN_QUEUE.c.lane, RUN_QUEUE.c.lane_limit)
    .where(text(f"status = 'ready' AND attempts >= {SUSPECT_ATTEMPTS}"), *_DUE[1:])
    .order_by(RUN_QUEUE.c.ready_at)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
TAKE = Prepared(
    update(RUN_QUEUE)
    .where(_MINE, RUN_QUEUE.c.status == "ready")
    .values(
        status="held",
        worker=bindparam("b_worker"),
        epoch=RUN_QUEUE.c.epoch + 1,
        attempts=RUN_QUEUE.c.attempts + 1,
        priority=PUT_BACK,
    )
)
UNDER_SUSPICION = Prepared(
    select(RUN_QUEUE.c.run_id).where(
        _MINE,
        RUN_QUEUE.c.epoch == bindparam("b_epoch"),
        RUN_QUEUE.c.status == "held",
        RUN_QUEUE.c.attempts > SUSPECT_ATTEMPTS,
    )
)
# A run that no worker of this release may claim grows old, until it is the oldest.
OLDEST_READY = Prepared(
    select(RUN_QUEUE.c.run_id, RUN_QUEUE.c.version, RUN_QUEUE.c.ready_at)
    .where(text(f"status = 'ready' AND attempts < {SUSPECT_ATTEMPTS}"))
    .order_by(RUN_QUEUE.c.ready_at)
    .limit(1)
)
