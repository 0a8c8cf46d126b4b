"""What people do to runs: cancel, pause, signal, resume, repin. Each is a delivery to the run's inbox."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, update

from quarterdeck.common.errors import FailedPrecondition, NotFound
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.execution.unit import approvals_reason
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.family import open_below
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS

# Runs below a paused one that are told in the same transaction; the others hear it from their parents.
MAX_PAUSED_AT_ONCE = 5000
Woken = tuple[list[str], dict[str, str]]


def require_run(connection: Connection, tenant: TenantId, run_id: str) -> Row[Any]:
    """Returns a run's row. Raises NotFound, also for another tenant's."""
    row = runs.get_run(connection, tenant.id, run_id)
    if row is None:
        raise NotFound(f"no run {run_id} in tenant {tenant.name}", field="runId")
    return row


def require_open(row: Row[Any]) -> None:
    """Raises FailedPrecondition if the run is over."""
    if row.finished_at is not None:
        raise FailedPrecondition(f"run {row.run_id} is over: {row.state}", reason="RunIsOver")


def cancel(connection: Connection, tenant: TenantId, run_id: str, reason: str, by: str, now: float) -> Woken:
    """Asks a run to stop. A run that is over already is left as it is."""
    row = require_run(connection, tenant, run_id)
    woken: Woken = ([], {})
    if row.finished_at is None:
        _release(connection, row, now)
        data = {"reason": reason, "by": by}
        deliver(connection, Delivery(run_id, tenant.id, "cancel", data), now, *woken)
    return woken


def pause(connection: Connection, tenant: TenantId, run_id: str, reason: str, by: str, now: float) -> Woken:
    """Asks a run and those below it to stand still once what is in flight has ended.

    Each passes it on to its children when it reads this: to those that were born meanwhile too.
    """
    row = require_run(connection, tenant, run_id)
    require_open(row)
    woken: Woken = ([], {})
    # From below upwards, as `store.locking` says.
    for one in [*reversed(open_below(connection, row, MAX_PAUSED_AT_ONCE)), run_id]:
        deliver(connection, Delivery(one, tenant.id, "pause", {"reason": reason, "by": by}), now, *woken)
    return woken


def signal(
    connection: Connection, tenant: TenantId, run_id: str, name: str, payload: Any, signal_id: str, now: float
) -> Woken:
    """Delivers a signal; one with an id that came before changes nothing."""
    require_open(require_run(connection, tenant, run_id))
    dedup = f"signal:{signal_id}" if signal_id else ""
    woken: Woken = ([], {})
    delivery = Delivery(run_id, tenant.id, "signal", {"name": name, "payload": payload}, dedup=dedup)
    deliver(connection, delivery, now, *woken)
    return woken


def resume(connection: Connection, tenant: TenantId, run_id: str, data: dict[str, Any], now: float) -> Woken:
    """Lets a paused, parked or quarantined run look again. `data`: by, resolution?, outcome?, effect?"""
    row = require_run(connection, tenant, run_id)
    require_open(row)
    if not data.get("resolution"):
        _require_resumable(row)
    _release(connection, row, now)
    woken: Woken = ([], {})
    deliver(connection, Delivery(run_id, tenant.id, "resume", data), now, *woken)
    return woken


def _require_resumable(row: Row[Any]) -> None:
    """Raises FailedPrecondition for a run that only a decision takes further.

    What else it stands still for, its reason says; and while something waits in its inbox it is not parked.
    """
    asked = row.open_approvals
    if asked and row.queue_status == "parked" and row.reason == approvals_reason(asked):
        raise FailedPrecondition(
            f"run {row.run_id} is neither paused nor parked: it is {row.reason}",
            field="runId",
            hint=f"decide the approval: `qd approvals list --run {row.run_id}`; if it asks of an uncertain "
            "effect, resume with a resolution",
            reason="WaitsForApproval",
        )


def repin(
    connection: Connection, tenant: TenantId, run_id: str, closure: str, changes: list[str], now: float
) -> Woken:
    """Tells a parked run to go on under another closure."""
    row = require_run(connection, tenant, run_id)
    require_open(row)
    _release(connection, row, now)
    if row.queue_status != "held":
        # Its next holder compiles what the row names; what it names now may be why nobody can go on.
        connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(closure=closure))
    woken: Woken = ([], {})
    deliver(
        connection,
        Delivery(run_id, tenant.id, "repin", {"closure": closure, "changes": changes}),
        now,
        *woken,
    )
    return woken


def _release(connection: Connection, row: Row[Any], now: float) -> None:
    """Takes a run out of quarantine: it may try again."""
    if row.queue_status != "quarantined":
        return
    mine = RUN_QUEUE.c.run_id == row.run_id
    connection.execute(update(RUN_QUEUE).where(mine).values(status="ready", attempts=0, ready_at=now))
    connection.execute(update(RUNS).where(RUNS.c.run_id == row.run_id).values(state="running", reason=""))
