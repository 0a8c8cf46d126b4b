"""Retries: a new run that goes on where an unsuccessful one failed, its children with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, insert

from quarterdeck.common.errors import Conflict, FailedPrecondition
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.loading import facts_of
from quarterdeck.runtime.operations.deliveries import require_run
from quarterdeck.runtime.operations.growing import Grower, Growth, require_unsuccessful
from quarterdeck.runtime.operations.left_behind import Known, LeftBehind
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.commits import insert_runs
from quarterdeck.runtime.store.gates import Gates, ahead, hold_back
from quarterdeck.runtime.store.labels import index_labels
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE, RUNS, TIMERS


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a retry and when, and what makes ids of runs."""

    by: str
    now: float
    new_id: Callable[[], str]


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
            FailedPrecondition: a call of the old run is still under way.
            Conflict: the key was used for another run.
            Unavailable: it cannot be found out at the moment what became of a call of the old run.
        """
        database, asked = self._engine.database, Asked(by, self._engine.clock.now(), self._engine.new_id)
        if dry_run:
            return await database.read(plan, tenant, run_id, asked, {})
        key = key or f"retry:{run_id}"
        try:
            made = await database.write(retry, tenant, run_id, key, asked, None)
        except LeftBehind as unknown:
            known = await self._find_out(unknown)
            made = await database.write(retry, tenant, run_id, key, asked, known)
        ready = [row["run_id"] for row in made.growth.new_runs if row["queue_status"] == "ready"]
        await self._engine.wake(ready, {})
        return made

    async def _find_out(self, unknown: LeftBehind) -> Known:
        """Closes the calls that the old runs left behind, and returns those outcomes that are known."""
        calls = self._engine.calls
        if calls is None:
            return {}
        return {row.run_id: await calls.settle(facts_of(row), effects) for row, effects in unknown.runs}


def retry(
    connection: Connection, tenant: TenantId, run_id: str, key: str, asked: Asked, known: Known | None
) -> Retry:
    """See `Retrier.retry`; in the caller's transaction.

    Args:
        known: what became of calls that were left behind; None: it was not looked yet.

    Raises:
        LeftBehind: it has to be looked first.
    """
    earlier = runs.by_idempotency_key(connection, tenant.id, key)
    if earlier is not None:
        return _repeated(earlier, run_id)
    made = plan(connection, tenant, run_id, asked, known or {})
    if known is None and made.growth.left_behind:
        raise LeftBehind(made.growth.left_behind)
    made.growth.new_runs[0]["idempotency_key"] = key
    _insert(connection, made.growth)
    return made


def _insert(connection: Connection, growth: Growth) -> None:
    growth.new_runs = list(_insert_runs(connection, growth.new_runs))
    index_labels(connection, [*growth.new_runs, *growth.ended_runs])
    for table, rows in ((RUNS, growth.ended_runs), (JOURNAL, growth.journal), (TIMERS, growth.timers)):
        if rows:
            connection.execute(insert(table), rows)
    for run_id, length in growth.lengths.items():
        connection.execute(RUN_QUEUE.update().where(RUN_QUEUE.c.run_id == run_id).values(seq=length))


def _insert_runs(connection: Connection, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Inserts new runs from the root down and yields them; those whose turn it is not are gated."""
    by_depth = sorted(rows, key=lambda row: int(row["depth"]))
    for _, level in groupby(by_depth, key=lambda row: int(row["depth"])):
        held = hold_back(connection, list(level))
        insert_runs(connection, held)
        yield from held


def _repeated(earlier: Any, run_id: str) -> Retry:
    if earlier.forked_from.partition("@")[0] != run_id:
        raise Conflict(
            "this idempotency key was used for another request",
            field="idempotencyKey",
            hint=f"use a new key; run {earlier.run_id} has this one",
            reason="IdempotencyKeyReused",
        )
    return Retry(run_id=earlier.run_id)


def plan(connection: Connection, tenant: TenantId, run_id: str, asked: Asked, known: Known) -> Retry:
    """Reads what a retry needs and returns it; nothing is written."""
    row = require_run(connection, tenant, run_id)
    require_unsuccessful(row)
    root_id, grower = asked.new_id(), Grower(connection, asked.by, asked.now, asked.new_id, known)
    root = {"root_run_id": root_id, "parent_run_id": "", "parent_step": "", "item_index": -1, "depth": 0}
    rest = grower.grow(row, root_id, root)
    _require_free_gates(connection, grower.growth.new_runs[0])
    kept = [event.data["step"] for event in rest.events if event.type == ev.STEP_COMPLETED]
    following = sorted(rest.state.steps) or ["(the end)" if rest.events else "(the beginning)"]
    return Retry(root_id, kept, following, rest.uncertain, grower.growth)


def _require_free_gates(connection: Connection, root: Mapping[str, Any]) -> None:
    """Raises FailedPrecondition if an open run has the key or the session of the new root."""
    open_runs = ahead(connection, Gates(root["tenant_id"], root["session"], root["gate"]))
    if open_runs:
        same_key = root["gate"] and open_runs[0].gate == root["gate"]
        what = f"key {root['run_key']!r}" if same_key else f"session {root['session']!r}"
        raise FailedPrecondition(f"run {open_runs[0].run_id} with {what} is open", hint="wait for its end")
