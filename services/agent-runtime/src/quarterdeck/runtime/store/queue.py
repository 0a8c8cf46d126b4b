"""Who works on which run: workers hold leases by a heartbeat, runs carry the epoch of their claim."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from quarterdeck.common import codec
from quarterdeck.runtime.constants import POISON_ATTEMPTS
from quarterdeck.runtime.events import EFFECT_INTENT
from quarterdeck.runtime.store import statements
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE, RUNS, TIMERS, WORKERS


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker holds now."""

    run_id: str
    tenant_id: str
    epoch: int
    seq: int
    attempts: int


def claim(connection: Connection, worker: str, limit: int, now: float) -> tuple[list[Claim], list[str]]:
    """Takes up to `limit` ready runs, the most urgent first.

    Returns the claims, and the runs that were put into quarantine instead: claimed as often as
    is allowed without any progress in between.
    """
    taken: list[Claim] = []
    poisoned: list[str] = []
    ready = statements.CANDIDATES.rows(connection, {"b_now": now, "b_limit": limit})
    for run_id, tenant_id, epoch, seq, attempts in ready:
        if attempts >= POISON_ATTEMPTS:
            last = last_intent(connection, run_id)
            quarantine(connection, run_id, f"no progress in {attempts} attempts{last}")
            poisoned.append(run_id)
            continue
        taken.append(Claim(run_id, tenant_id, epoch + 1, seq, attempts + 1))
    if taken:
        statements.TAKE.many(connection, [{"b_run": run.run_id, "b_worker": worker} for run in taken])
    return taken, poisoned


def claim_and_look(
    connection: Connection, worker: str, limit: int, now: float
) -> tuple[list[Claim], list[str], float | None]:
    """Claims, and returns with the claims when the next run will be ready."""
    taken, poisoned = claim(connection, worker, limit, now)
    return taken, poisoned, next_ready_at(connection)


def next_ready_at(connection: Connection) -> float | None:
    """Returns when the next ready run is due (Unix time), None when there is none."""
    found = statements.NEXT_READY.rows(connection, {})
    return float(found[0][0]) if found else None


def last_intent(connection: Connection, run_id: str) -> str:
    """Returns what a run was about to do when it last got on, in words; empty if it never was."""
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


def quarantine(connection: Connection, run_id: str, reason: str) -> None:
    """Takes a run out of circulation until a person releases it."""
    mine = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run_id)
    connection.execute(mine.values(status="quarantined", worker=""))
    connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(state="quarantined", reason=reason))


def hand_back(connection: Connection, run_id: str, epoch: int, now: float, delay: float = 0.0) -> None:
    """Gives a held run back; that was no failed attempt."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.epoch == epoch) & (RUN_QUEUE.c.status == "held")
    connection.execute(
        update(RUN_QUEUE).where(mine).values(status="ready", worker="", attempts=0, ready_at=now + delay)
    )


def give_up(connection: Connection, run_id: str, epoch: int, now: float, delay: float) -> None:
    """Gives a held run back after a failure of ours: the attempt counts towards quarantine."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.epoch == epoch) & (RUN_QUEUE.c.status == "held")
    connection.execute(update(RUN_QUEUE).where(mine).values(status="ready", worker="", ready_at=now + delay))


def heartbeat(connection: Connection, worker: str, now: float) -> dict[str, int]:
    """Renews the worker's lease. Returns the inbox counters of the runs that the database says it holds."""
    renewed = connection.execute(update(WORKERS).where(WORKERS.c.worker == worker).values(heartbeat_at=now))
    if renewed.rowcount == 0:
        connection.execute(insert(WORKERS).values(worker=worker, started_at=now, heartbeat_at=now))
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
        dead = dead.where(WORKERS.c.heartbeat_at < now - lease)
    connection.execute(dead)
    # Also of workers that nobody knows: one that was declared dead may have claimed after that.
    orphans = (RUN_QUEUE.c.status == "held") & RUN_QUEUE.c.worker.not_in(select(WORKERS.c.worker))
    freed = connection.execute(
        update(RUN_QUEUE).where(orphans).values(status="ready", worker="", ready_at=now)
    )
    return freed.rowcount


def take_due_timers(connection: Connection, now: float, limit: int) -> list[tuple[str, str, str]]:
    """Removes due timers and returns them as (run id, tenant id, timer)."""
    query = select(TIMERS).where(TIMERS.c.due <= now).order_by(TIMERS.c.due).limit(limit)
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
    """Gives back a run that the database says `worker` holds though it does not work on it."""
    mine = (RUN_QUEUE.c.run_id == run_id) & (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    connection.execute(update(RUN_QUEUE).where(mine).values(status="ready", worker="", ready_at=now))


def leave(connection: Connection, worker: str, now: float) -> None:
    """Hands everything back and forgets the worker: it goes in good order."""
    mine = (RUN_QUEUE.c.worker == worker) & (RUN_QUEUE.c.status == "held")
    connection.execute(
        update(RUN_QUEUE).where(mine).values(status="ready", worker="", attempts=0, ready_at=now)
    )
    connection.execute(delete(WORKERS).where(WORKERS.c.worker == worker))
