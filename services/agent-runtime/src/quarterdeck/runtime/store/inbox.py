"""What comes to a run from outside: signals, decisions, cancels, ended children, due timers.

A delivery bumps a counter on the run's queue row in the same transaction; parking compares
that counter, so that no delivery is slept through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.database.upserts import insert_new
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.store import statements
from quarterdeck.runtime.tables import DELIVERED, INBOX, RUN_QUEUE


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing for one run. A `dedup` that was delivered before is dropped. `delay` in seconds."""

    run_id: str
    tenant_id: str
    kind: str
    data: dict[str, Any]
    dedup: str = ""
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A delivery as it waits."""

    id: int
    kind: str
    data: dict[str, Any]
    at: float


# The inbox counter of a run that is over, or was never accepted.
OVER = -1
# What a delivery wakes. To be cancelled, a run need not wait for its turn nor for its release.
_SLEEPING = frozenset({"parked"})
_CANCELLABLE = frozenset({"parked", "gated", "quarantined"})

_OLDEST = Prepared(
    select(INBOX.c.id, INBOX.c.kind, INBOX.c.data, INBOX.c.at)
    .where(INBOX.c.run_id == bindparam("b_run"))
    .order_by(INBOX.c.id)
    .limit(bindparam("b_limit"))
)
_COUNTER = Prepared(select(RUN_QUEUE.c.inbox).where(RUN_QUEUE.c.run_id == bindparam("b_run")))


def deliver(
    connection: Connection, delivery: Delivery, now: float, ready: list[str], poke: dict[str, str]
) -> bool:
    """Puts a delivery into the run's inbox and wakes the run.

    Adds the run to `ready` if it was parked, or its worker to `poke` if it is held.
    Returns False when the run is over or the delivery came before.
    """
    within(connection, delivery.tenant_id)
    mine = {"b_run": delivery.run_id}
    found = statements.STATUS.rows(connection, mine)
    if not found or (delivery.dedup and not _first_time(connection, delivery)):
        return False
    statements.PUT(connection, _values(delivery, now))
    statements.BUMP(connection, mine)
    worker, status = found[0]
    if status in (_CANCELLABLE if delivery.kind == "cancel" else _SLEEPING):
        statements.WAKE(connection, {**mine, "b_status": status, "b_ready": now + delivery.delay})
        ready.append(delivery.run_id)
    elif status == "held":
        poke[delivery.run_id] = worker
    return True


def deliver_all(
    connection: Connection, deliveries: Sequence[Delivery], now: float, ready: list[str], poke: dict[str, str]
) -> None:
    """Does the same for many deliveries, none of which can have come before, in a few statements."""
    within(connection, ",".join(sorted({delivery.tenant_id for delivery in deliveries})))
    runs = RUN_QUEUE.c.run_id.in_(sorted({delivery.run_id for delivery in deliveries}))
    locked = select(RUN_QUEUE.c.run_id, RUN_QUEUE.c.worker, RUN_QUEUE.c.status).where(runs)
    locked = locked.order_by(RUN_QUEUE.c.run_id).with_for_update()
    open_runs = {row.run_id: row for row in connection.execute(locked).all()}
    arriving = [delivery for delivery in deliveries if delivery.run_id in open_runs]
    if not arriving:
        return
    statements.PUT.many(connection, [_values(delivery, now) for delivery in arriving])
    connection.execute(update(RUN_QUEUE).where(runs).values(**_woken(now)))
    counts = Counter(delivery.run_id for delivery in arriving)
    if further := sorted((counts - Counter(set(counts))).elements()):
        statements.BUMP.many(connection, [{"b_run": run_id} for run_id in further])
    ready.extend(sorted(run_id for run_id, row in open_runs.items() if row.status in _SLEEPING))
    poke.update({run_id: row.worker for run_id, row in open_runs.items() if row.status == "held"})


def _woken(now: float) -> dict[str, Any]:
    """Returns what changes in the place of a run that something came for."""
    place = RUN_QUEUE.c
    sleeps = place.status.in_(sorted(_SLEEPING))
    return {
        "inbox": place.inbox + 1,
        "status": case((sleeps, "ready"), else_=place.status),
        "ready_at": case((sleeps, now), else_=place.ready_at),
        "attempts": case((sleeps, 0), else_=place.attempts),
    }


def _values(delivery: Delivery, now: float) -> dict[str, Any]:
    return {
        "run_id": delivery.run_id,
        "tenant_id": delivery.tenant_id,
        "kind": delivery.kind,
        "data": codec.dumps(delivery.data),
        "at": now,
    }


def _first_time(connection: Connection, delivery: Delivery) -> bool:
    values = {"run_id": delivery.run_id, "dedup": delivery.dedup, "tenant_id": delivery.tenant_id}
    return insert_new(connection, DELIVERED, values)


def read_inbox(connection: Connection, tenant_id: str, run_id: str, limit: int) -> tuple[list[InboxRow], int]:
    """Returns the oldest waiting rows and the inbox counter at this moment; OVER when the run has ended."""
    within(connection, tenant_id)
    rows = _OLDEST.rows(connection, {"b_run": run_id, "b_limit": limit})
    counter = _COUNTER.scalar(connection, {"b_run": run_id})
    return [InboxRow(number, kind, codec.loads(data), at) for number, kind, data, at in rows], (
        OVER if counter is None else counter
    )
