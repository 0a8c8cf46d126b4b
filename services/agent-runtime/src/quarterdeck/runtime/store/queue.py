"""Who works on which run: workers hold leases by a heartbeat, runs carry the epoch of their claim."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.runtime.constants import LONGEST_REASON
from quarterdeck.runtime.events import EFFECT_INTENT
from quarterdeck.runtime.store import statements
from quarterdeck.runtime.store.moments import moment
from quarterdeck.runtime.store.suspicion import Suspect, Verdict, guilty, judge, ready_suspects
from quarterdeck.runtime.store.turns import take_turns
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE, RUNS, TIMERS, WORKERS


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker holds now. `alone`: it must hold no other until this one got on."""

    run_id: str
    tenant_id: str
    epoch: int
    seq: int
    attempts: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Haul:
    """What a look at the queue brought.

    Attributes:
        claims: runs that the worker holds now.
        poisoned: runs that were put into quarantine instead.
        due: when the next run that is no suspect will be ready (Unix time), None when there is none.
        suspects: there are suspects that wait for an idle worker.
        turn: the tenant that had the last turn, for the worker's next claim.
        makes_room: the worker takes nothing new until it holds nothing, or the suspects are gone.
    """

    claims: list[Claim]
    poisoned: list[str]
    due: float | None = None
    suspects: bool = False
    turn: str = ""
    makes_room: bool = False


def claim(
    connection: Connection, worker: str, limit: int, now: float, *, idle: bool = True, turn: str = ""
) -> Haul:
    """Takes up to `limit` ready runs: half by turns, else the most urgent; or suspects.

    Args:
        idle: the worker holds no run.
        turn: the tenant that had the last turn in the worker's last claim.
    """
    suspects, poisoned = _quarantine_guilty(connection, ready_suspects(connection, now))
    verdict, chosen = judge(suspects, idle=idle, now=now)
    if verdict is Verdict.MAKE_ROOM:
        return Haul([], poisoned, suspects=True, makes_room=True)
    if chosen:
        alone = verdict is Verdict.TAKE
        taken = _taken(connection, worker, [_claim_of(suspect, alone) for suspect in chosen[:limit]])
        return Haul(taken, poisoned, suspects=True, turn=turn)
    tenants = (limit + 1) // 2
    turns = _taken(connection, worker, [_claim(*row) for row in take_turns(connection, turn, tenants, now)])
    rest = _taken(connection, worker, _most_urgent(connection, limit - len(turns), now))
    last = turns[-1].tenant_id if len(turns) == tenants else ""
    return Haul(turns + rest, poisoned, suspects=bool(suspects), turn=last)


def _quarantine_guilty(connection: Connection, suspects: list[Suspect]) -> tuple[list[Suspect], list[str]]:
    """Returns the suspects that are left, and the ids of the others."""
    poisoned = []
    for suspect in filter(guilty, suspects):
        last = last_intent(connection, suspect.tenant_id, suspect.run_id)
        quarantine(
            connection, suspect.tenant_id, suspect.run_id, f"no progress in {suspect.attempts} attempts{last}"
        )
        poisoned.append(suspect.run_id)
    return [suspect for suspect in suspects if not guilty(suspect)], poisoned


def _claim_of(suspect: Suspect, alone: bool) -> Claim:
    epoch, attempts = suspect.epoch + 1, suspect.attempts + 1
    return Claim(suspect.run_id, suspect.tenant_id, epoch, suspect.seq, attempts, alone=alone)


def _most_urgent(connection: Connection, limit: int, now: float) -> list[Claim]:
    ready = statements.CANDIDATES.rows(connection, {"b_now": now, "b_limit": limit}) if limit else []
    return [_claim(*row) for row in ready]


def _claim(run_id: str, tenant_id: str, epoch: int, seq: int, attempts: int) -> Claim:
    return Claim(run_id, tenant_id, epoch + 1, seq, attempts + 1)


def _taken(connection: Connection, worker: str, runs: list[Claim]) -> list[Claim]:
    if runs:
        statements.TAKE.many(connection, [{"b_run": run.run_id, "b_worker": worker} for run in runs])
    return runs


def claim_and_look(
    connection: Connection, worker: str, limit: int, now: float, *, idle: bool, turn: str = ""
) -> Haul:
    """Claims, and says too when the next run will be ready."""
    haul = claim(connection, worker, limit, now, idle=idle, turn=turn)
    return replace(haul, due=next_ready_at(connection))


def is_suspect(connection: Connection, run_id: str, epoch: int) -> bool:
    """Returns whether a run that was claimed alone has made no progress yet and is still held."""
    return bool(statements.UNDER_SUSPICION.rows(connection, {"b_run": run_id, "b_epoch": epoch}))


def next_ready_at(connection: Connection) -> float | None:
    """Returns when the next ready run that is no suspect is due (Unix time), None when there is none."""
    found = statements.NEXT_READY.rows(connection, {})
    return float(found[0][0]) if found else None


def last_intent(connection: Connection, tenant_id: str, run_id: str) -> str:
    """Returns what a run was about to do when it last got on, in words; empty if it never was."""
    within(connection, tenant_id)
    query = (
        select(JOURNAL.c.data)
        .where(JOURNAL.c.run_id == run_id, JOURNAL.c.type == EFFECT_INTENT)
        .order_by(JOURNAL.c.seq.desc())
        .limit(1)
    )
    data = connection.execute(query).scalar()
    if data is None:
        return ""
    intent = codec.loads(data)
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


def give_up(connection: Connection, run_id: str, epoch: int, now: float, delay: float) -> None:
    """Gives a held run back that failed to advance: the attempt counts, and is to be laid at its own door."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.epoch == epoch) & (RUN_QUEUE.c.status == "held")
    given = (
        update(RUN_QUEUE)
        .where(mine)
        .values(status="ready", worker="", alone=RUN_QUEUE.c.alone + 1, ready_at=now + delay)
    )
    connection.execute(given)


def heartbeat(connection: Connection, worker: str, now: float) -> dict[str, int]:
    """Renews the worker's lease. Returns the inbox counters of the runs that the database says it holds."""
    here = moment(connection, now)
    renewed = connection.execute(update(WORKERS).where(WORKERS.c.worker == worker).values(heartbeat_at=here))
    if renewed.rowcount == 0:
        connection.execute(insert(WORKERS).values(worker=worker, started_at=here, heartbeat_at=here))
    mine = (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    held = connection.execute(select(RUN_QUEUE.c.run_id, RUN_QUEUE.c.inbox).where(mine)).all()
    return {row.run_id: row.inbox for row in held}


def take_over(connection: Connection, now: float, lease: float, *, everybody: bool = False) -> int:
    """Frees the runs of workers whose lease has run out, and forgets those workers.

    Args:
        everybody: also of workers whose lease has not: this process is known to be the only one.
    """
    dead = delete(WORKERS)
    if not everybody:
        dead = dead.where(WORKERS.c.heartbeat_at < moment(connection, now) - lease)
    connection.execute(dead)
    # Also of workers that nobody knows: one that was declared dead may have claimed after that.
    orphans = (RUN_QUEUE.c.status == "held") & RUN_QUEUE.c.worker.not_in(select(WORKERS.c.worker))
    _blame_the_lonely(connection, orphans)
    freed = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(orphans)))
    return connection.execute(freed.values(status="ready", worker="", ready_at=now)).rowcount


def _blame_the_lonely(connection: Connection, orphans: ColumnElement[bool]) -> None:
    """Notes against a run that its dead worker held nothing else. See `suspicion`."""
    only = select(RUN_QUEUE.c.worker).where(orphans).group_by(RUN_QUEUE.c.worker).having(func.count() == 1)
    lonely = _in_order(orphans & RUN_QUEUE.c.worker.in_(only))
    blamed = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(lonely))
    connection.execute(blamed.values(alone=RUN_QUEUE.c.alone + 1))


def _in_order(chosen: ColumnElement[bool]) -> Select[str]:
    """Chooses runs and locks them in the order of their ids; those that somebody else has locked are left."""
    locked = select(RUN_QUEUE.c.run_id).where(chosen).order_by(RUN_QUEUE.c.run_id)
    return locked.with_for_update(skip_locked=True)


def take_due_timers(connection: Connection, now: float, limit: int) -> list[tuple[str, str, str]]:
    """Removes due timers and returns them as (run id, tenant id, timer)."""
    query = select(TIMERS).where(TIMERS.c.due <= now).order_by(TIMERS.c.due).limit(limit)
    query = query.with_for_update(skip_locked=True)
    due = [(row.run_id, row.tenant_id, row.timer) for row in connection.execute(query).all()]
    gone = delete(TIMERS).where(TIMERS.c.run_id == bindparam("b_run"), TIMERS.c.timer == bindparam("b_timer"))
    if due:
        connection.execute(gone, [{"b_run": run, "b_timer": timer} for run, _, timer in due])
    return due


def next_timer_due(connection: Connection) -> float | None:
    """Returns when the next timer is due, None when there is none."""
    due: float | None = connection.execute(select(TIMERS.c.due).order_by(TIMERS.c.due).limit(1)).scalar()
    return due


def current_seq(connection: Connection, run_id: str) -> int | None:
    """Returns the last sequence number of an open run's journal, None when the run is over."""
    seq: int | None = connection.execute(select(RUN_QUEUE.c.seq).where(RUN_QUEUE.c.run_id == run_id)).scalar()
    return seq


def hand_back_stray(connection: Connection, run_id: str, worker: str, now: float) -> None:
    """Gives back a run that the database says `worker` holds though it does not work on it.

    The claim does not count as an attempt: its answer was lost, or the database was away when it ended.
    """
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    fewer = case((RUN_QUEUE.c.attempts > 0, RUN_QUEUE.c.attempts - 1), else_=0)
    given = update(RUN_QUEUE).where(mine).values(status="ready", worker="", ready_at=now, attempts=fewer)
    connection.execute(given)


def leave(connection: Connection, worker: str, now: float) -> None:
    """Hands everything back and forgets the worker: it goes in good order."""
    mine = (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    left = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id.in_(_in_order(mine)))
    connection.execute(left.values(status="ready", worker="", attempts=0, alone=0, ready_at=now))
    connection.execute(delete(WORKERS).where(WORKERS.c.worker == worker))
