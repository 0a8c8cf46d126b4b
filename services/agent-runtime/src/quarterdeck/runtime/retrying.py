"""Retries: a new run that goes on where an unsuccessful one failed, its children with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert

from quarterdeck.common import codec
from quarterdeck.common.errors import Conflict, FailedPrecondition
from quarterdeck.common.ids import uuid7
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.growing import Grower, Growth, require_unsuccessful
from quarterdeck.runtime.operations import require_run
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.commits import insert_runs
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE, RUNS, TIMERS


@dataclass(slots=True)
class Retry:
    """What a retry keeps and what it does next, and the rows that make it so."""

    run_id: str = ""
    kept: list[str] = field(default_factory=list)
    following: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    growth: Growth = field(default_factory=Growth)


class Retrier:
    """Retries runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def retry(self, tenant: TenantId, run_id: str, by: str, key: str, *, dry_run: bool) -> Retry:
        """Starts a run that goes on where an unsuccessful one failed, or says what it would do.

        A run is retried once: the same key, or none, answers with the same retry.

        Raises:
            FailedPrecondition: the run is not over, has succeeded, or something of it was undone.
            Conflict: the key was used for another run.
        """
        now, database = self._engine.clock.now(), self._engine.database
        if dry_run:
            return await database.read(plan, tenant, run_id, by, now)
        made = await database.write(retry, tenant, run_id, by, key or f"retry:{run_id}", now)
        await self._engine.wake([row["run_id"] for row in made.growth.new_runs], {})
        return made


def retry(connection: Connection, tenant: TenantId, run_id: str, by: str, key: str, now: float) -> Retry:
    """See `Retrier.retry`; in the caller's transaction."""
    earlier = runs.by_idempotency_key(connection, tenant.id, key)
    if earlier is not None:
        return _repeated(earlier, run_id)
    made = plan(connection, tenant, run_id, by, now)
    made.growth.new_runs[0]["idempotency_key"] = key
    _insert(connection, made.growth)
    runs.save_labels(connection, tenant.id, made.run_id, codec.loads(made.growth.new_runs[0]["labels"]))
    return made


def _insert(connection: Connection, growth: Growth) -> None:
    insert_runs(connection, growth.new_runs)
    for table, rows in ((RUNS, growth.ended_runs), (JOURNAL, growth.journal), (TIMERS, growth.timers)):
        if rows:
            connection.execute(insert(table), rows)
    for run_id, length in growth.lengths.items():
        connection.execute(RUN_QUEUE.update().where(RUN_QUEUE.c.run_id == run_id).values(seq=length))


def _repeated(earlier: Any, run_id: str) -> Retry:
    if earlier.forked_from.partition("@")[0] != run_id:
        raise Conflict(
            "this idempotency key was used for another request",
            field="idempotencyKey",
            hint=f"use a new key; run {earlier.run_id} has this one",
            reason="IdempotencyKeyReused",
        )
    return Retry(run_id=earlier.run_id)


def plan(connection: Connection, tenant: TenantId, run_id: str, by: str, now: float) -> Retry:
    """Reads what a retry needs and returns it; nothing is written."""
    row = require_run(connection, tenant, run_id)
    require_unsuccessful(row)
    _require_free_gate(connection, row)
    grower, new_id = Grower(connection, by, now), uuid7()
    root = {"root_run_id": new_id, "parent_run_id": "", "parent_step": "", "item_index": -1, "depth": 0}
    rest = grower.grow(row, new_id, root)
    kept = [event.data["step"] for event in rest.events if event.type == ev.STEP_COMPLETED]
    following = sorted(rest.state.steps) or ["(the end)" if rest.events else "(the beginning)"]
    return Retry(new_id, kept, following, rest.uncertain, grower.growth)


def _require_free_gate(connection: Connection, row: Any) -> None:
    ahead = runs.open_at_gate(connection, row.tenant_id, row.gate) if row.gate else []
    if ahead:
        what = f"key {row.run_key!r}" if row.run_key else f"session {row.session!r}"
        raise FailedPrecondition(f"run {ahead[0].run_id} with {what} is open", hint="wait for its end")
