"""Who works on which run: workers hold leases by a heartbeat, runs carry the epoch of their claim.

How runs are claimed is in `claiming`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from quarterdeck.common.database import within
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.constants import LONGEST_REASON, READABLE_VERSION
from quarterdeck.runtime.events import EFFECT_INTENT
from quarterdeck.runtime.store import allotments, statements
from quarterdeck.runtime.store.journal import last_of_type
from quarterdeck.runtime.store.locking import lock_what_is_free
from quarterdeck.runtime.store.moments import moment, moment_in
from quarterdeck.runtime.store.places import PUT_AHEAD
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS, TIMERS, WORKERS


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker holds now. `alone`: it must hold no other until this one got on."""

    run_id: str
    tenant_id: str
    epoch: int
    seq: int
    attempts: int
    alone: bool = False
    lane: str = ""


def is_suspect(connection: Connection, run_id: str, epoch: int) -> bool:
    """Returns whether a run that was claimed alone has made no progress yet and is still held."""
    return bool(statements.UNDER_SUSPICION.rows(connection, {"b_run": run_id, "b_epoch": epoch}))


def last_intent(connection: Connection, tenant_id: str, run_id: str) -> str:
    """Returns what a run was about to do when it last got on, in words; empty if it never was."""
    recorded = last_of_type(connection, tenant_id, run_id, EFFECT_INTENT)
    if recorded is None:
        return ""
    intent = recorded.event().data
    target = "/".join(str(part) for part in intent["target"].values() if isinstance(part, str) and part)
    return f"; its last intent was {intent['kind']} {target} (effect {intent['effect']} of {intent['step']})"


def hold_up(connection: Connection, claim: Claim, reason: str) -> None:
    """Says in the row of a run what it waits for while it is held, if it is held by this claim."""
    within(connection, claim.tenant_id)
    mine = select(RUN_QUEUE.c.run_id).where(
        RUN_QUEUE.c.run_id == claim.run_id, RUN_QUEUE.c.epoch == claim.epoch, RUN_QUEUE.c.status == "held"
    )
    held = RUNS.c.run_id.in_(mine)
    connection.execute(update(RUNS).where(held).values(reason=reason[:LONGEST_REASON]))


def quarantine(connection: Connection, tenant_id: str, run_id: str, reason: str) -> None:
    """Takes a run out of circulation until a person releases it."""
    within(connection, tenant_id)
    mine = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run_id)
    connection.execute(mine.values(status="quarantined", worker=""))
    connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(state="quarantined", reason=reason))


def hand_back(connection: Connection, run_id: str, epoch: int, now: float, delay: float = 0.0) -> None:
    """Gives a held run back; that was no failed attempt."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.epoch == epoch) & (RUN_QUEUE.c.status == "held")
    connection.execute(
        update(RUN_QUEUE)
        .where(mine)
        .values(status="ready", worker="", attempts=0, alone=0, ready_at=now + delay)
    )


def leave_to_newer(connection: Connection, claim: Claim, reason: str, now: float) -> None:
    """Gives a held run back that this release cannot read: for workers of a newer one only."""
    hold_up(connection, claim, reason)
    mine = (RUN_QUEUE.c.run_id == claim.run_id) & (RUN_QUEUE.c.epoch == claim.epoch)
    left = update(RUN_QUEUE).where(mine, RUN_QUEUE.c.status == "held")
    values = {"status": "ready", "worker": "", "attempts": 0, "alone": 0, "ready_at": now}
    connection.execute(left.values(version=READABLE_VERSION + 1, **values))


def left_to_newer(connection: Connection) -> tuple[str, float] | None:
    """Returns (run id, ready since) of the oldest ready run, if this release may not claim it."""
    found = statements.OLDEST_READY.rows(connection, {})
    return (found[0][0], float(found[0][2])) if found and found[0][1] > READABLE_VERSION else None


def give_up(connection: Connection, run_id: str, epoch: int, now: float, delay: float) -> None:
    """Gives a held run back that failed to advance: the attempt counts, and is to be laid at its own door."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.epoch == epoch) & (RUN_QUEUE.c.status == "held")
    given = (
        update(RUN_QUEUE)
        .where(mine)
        .values(status="ready", worker="", alone=RUN_QUEUE.c.alone + 1, ready_at=now + delay)
    )
    connection.execute(given)


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat brings.

    Attributes:
        held: inbox counters of the runs that the database says the worker holds.
        at: the server's own time (Unix); None where the database has no clock of its own.
    """

    held: dict[str, int]
    at: float | None = None


def heartbeat(connection: Connection, worker: str, now: float, known: Sequence[str] | None = None) -> Beat:
    """Renews the worker's lease.

    Args:
        known: ask about these runs only. To ask for all passes every run that it held since the oldest open
            transaction began.
    """
    at = _renewal(connection.dialect.name).scalar(connection, {"b_worker": worker, "b_now": now})
    if at is None:
        here = moment(connection, now)
        first = insert(WORKERS).values(worker=worker, started_at=here, heartbeat_at=here)
        at = connection.execute(first.returning(WORKERS.c.heartbeat_at)).scalar_one()
    held = _held(connection, worker, known)
    of_server = connection.dialect.name == "postgresql"
    return Beat(dict(held), float(at) if of_server else None)


def _held(connection: Connection, worker: str, known: Sequence[str] | None) -> list[tuple[Any, ...]]:
    if known is None:
        return _held_by(None).rows(connection, {"b_worker": worker})
    asked = {f"b_{place}": run_id for place, run_id in enumerate(known)}
    return _held_by(len(known)).rows(connection, {"b_worker": worker, **asked}) if known else []


@cache
def _renewal(dialect: str) -> Prepared:
    mine = update(WORKERS).where(WORKERS.c.worker == bindparam("b_worker"))
    renewed = mine.values(heartbeat_at=moment_in(dialect, bindparam("b_now")))
    return Prepared(renewed.returning(WORKERS.c.heartbeat_at))


@cache
def _held_by(known: int | None) -> Prepared:
    """Returns the query for what a worker holds: all of it, or what it holds of so many runs."""
    held = select(RUN_QUEUE.c.run_id, RUN_QUEUE.c.inbox).where(
        RUN_QUEUE.c.worker == bindparam("b_worker"), RUN_QUEUE.c.status == "held"
    )
    if known is not None:
        held = held.where(RUN_QUEUE.c.run_id.in_([bindparam(f"b_{place}") for place in range(known)]))
    return Prepared(held)


def hasten(connection: Connection, now: float) -> int:
    """Makes ready now what was to be ready at a time that a clock named before it was set back; how many."""
    late = (RUN_QUEUE.c.status == "ready") & (RUN_QUEUE.c.ready_at > now)
    hastened = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(late)))
    return connection.execute(hastened.values(ready_at=now)).rowcount


def take_over(
    connection: Connection, now: float, lease: float, *, everybody: bool = False, strays: bool = True
) -> int:
    """Frees the runs of workers whose lease has run out, and forgets those workers. Those runs go first.

    Args:
        everybody: also of workers whose lease has not: this process is known to be the only one.
        strays: also of workers that nobody knows: one that was declared dead may have claimed after that.
            To look for those passes every run that was held since the oldest open transaction began.
    """
    dead = _dead(connection.dialect.name, everybody)
    gone = [worker for (worker,) in dead.rows(connection, {"b_now": now, "b_lease": lease})]
    allotments.forget(connection, gone)
    if not gone and not strays:
        return 0
    orphans = _orphans(None if strays else len(gone))
    named = {} if strays else {f"b_{place}": worker for place, worker in enumerate(gone)}
    orphans.blame(connection, named)
    return orphans.free(connection, {**named, "b_now": now})


@cache
def _dead(dialect: str, everybody: bool) -> Prepared:
    dead = delete(WORKERS)
    if not everybody:
        begins = moment_in(dialect, bindparam("b_now", type_=Float)) - bindparam("b_lease", type_=Float)
        dead = dead.where(WORKERS.c.heartbeat_at < begins)
    return Prepared(dead.returning(WORKERS.c.worker))


@dataclass(frozen=True, slots=True)
class _Orphans:
    """Statements about runs of workers that are no more.

    Attributes:
        blame: notes against a run that its dead worker held nothing else. See `suspicion`.
        free: makes them ready.
    """

    blame: Prepared
    free: Prepared


@cache
def _orphans(workers: int | None) -> _Orphans:
    """Returns the statements about what so many workers held; None: about what is held by nobody known."""
    whose: Any = [bindparam(f"b_{place}") for place in range(workers or 0)]
    known = RUN_QUEUE.c.worker.not_in(select(WORKERS.c.worker))
    orphans = (RUN_QUEUE.c.status == "held") & (known if workers is None else RUN_QUEUE.c.worker.in_(whose))
    only = select(RUN_QUEUE.c.worker).where(orphans).group_by(RUN_QUEUE.c.worker).having(func.count() == 1)
    lonely = _in_order(orphans & RUN_QUEUE.c.worker.in_(only))
    blamed = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(lonely)).values(alone=RUN_QUEUE.c.alone + 1)
    freed = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(orphans)))
    values = {"status": "ready", "worker": "", "ready_at": bindparam("b_now"), "priority": PUT_AHEAD}
    return _Orphans(Prepared(blamed), Prepared(freed.values(**values)))


def _in_order(chosen: ColumnElement[bool]) -> Select[str]:
    """Chooses runs and locks them in the order of their ids; those that somebody else has locked are left."""
    locked = select(RUN_QUEUE.c.run_id).where(chosen).order_by(RUN_QUEUE.c.run_id)
    return locked.with_for_update(skip_locked=True)


_DUE_TIMERS = Prepared(
    select(TIMERS.c.run_id, TIMERS.c.tenant_id, TIMERS.c.timer)
    .where(TIMERS.c.due >= bindparam("b_since"), TIMERS.c.due <= bindparam("b_now"))
    .order_by(TIMERS.c.due)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
_NEXT_TIMER = Prepared(
    select(TIMERS.c.due).where(TIMERS.c.due >= bindparam("b_since")).order_by(TIMERS.c.due).limit(1)
)


def take_due_timers(
    connection: Connection, since: float, now: float, limit: int
) -> list[tuple[str, str, str]]:
    """Removes timers that are due, since then at the earliest; returns them as (run id, tenant id, timer).

    What somebody else has locked, a timer or its run, is left for the next look: who holds a run may wait for
    its timers. The runs of those that are returned are locked.
    """
    found = _DUE_TIMERS.rows(connection, {"b_since": since, "b_now": now, "b_limit": limit})
    busy = lock_what_is_free(connection, {run for run, _, _ in found}) if found else set()
    due = [(run, tenant, timer) for run, tenant, timer in found if run not in busy]
    if due:
        statements.CLEAR_TIMER.many(connection, [{"b_run": run, "b_timer": timer} for run, _, timer in due])
    return [(run, tenant, timer) for run, tenant, timer in due]


def next_timer_due(connection: Connection, since: float) -> float | None:
    """Returns when the next timer is due, since then at the earliest, None when there is none."""
    due: float | None = _NEXT_TIMER.scalar(connection, {"b_since": since})
    return due


def current_seq(connection: Connection, run_id: str) -> int | None:
    """Returns the last sequence number of an open run's journal, None when the run is over."""
    seq: int | None = connection.execute(select(RUN_QUEUE.c.seq).where(RUN_QUEUE.c.run_id == run_id)).scalar()
    return seq


def hand_back_strays(connection: Connection, runs: Sequence[str], worker: str, now: float) -> None:
    """Gives back runs that the database says `worker` holds though it does not work on them.

    The claims do not count as attempts: their answers were lost, or the database was away when they ended.
    """
    mine = RUN_QUEUE.c.run_id.in_(runs) & (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    fewer = case((RUN_QUEUE.c.attempts > 0, RUN_QUEUE.c.attempts - 1), else_=0)
    given = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(mine)))
    connection.execute(given.values(status="ready", worker="", ready_at=now, attempts=fewer))


def leave(connection: Connection, worker: str, now: float) -> None:
    """Hands everything back and forgets the worker: it goes in good order."""
    mine = (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    left = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(mine)))
    connection.execute(left.values(status="ready", worker="", attempts=0, alone=0, ready_at=now))
    connection.execute(delete(WORKERS).where(WORKERS.c.worker == worker))
    allotments.forget(connection, [worker])
