"""Forks: a new run from a point in an old one's journal. No effect is repeated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.claims.precedence import usual
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.fork_points import cut, is_turn
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.commits import insert_runs
from quarterdeck.runtime.store.definitions import read_lane
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.store.packing import Recorded
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE, TIMERS

LONGEST_JOURNAL = 100_000
# Events read and folded without letting others have a turn.
JOURNAL_PAGE = 500


@dataclass(slots=True)
class Fork:
    """What a fork keeps and what it will do. `run_id` is empty after a dry run."""

    run_id: str = ""
    copied: int = 0
    kept: list[str] = field(default_factory=list)
    following: list[str] = field(default_factory=list)


class Forker:
    """Makes forks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def fork(
        self, tenant: TenantId, run_id: str, before: int, idempotency_key: str, *, dry_run: bool
    ) -> Fork:
        """Copies the events before sequence number `before` into a new run.

        Of these, what the run was told; what it planned after that it plans again (see `fork_points`).

        Raises:
            InvalidArgument: there is no such point.
            FailedPrecondition: an effect, a child run or a question is open at that point.
        """
        key = "" if dry_run else idempotency_key
        database = self._engine.database
        made = await database.read(_look, tenant, run_id, before, key)
        if made is not None:
            return made
        entries, state = await self._read(tenant, run_id, before)
        _refuse_open_work(state)
        entries, state = await asyncio.to_thread(_as_told, run_id, entries)
        plan = Fork(copied=len(entries), kept=_kept(entries), following=sorted(state.steps) or ["(the end)"])
        if dry_run:
            return plan
        plan.run_id = self._engine.new_id()
        copies = await asyncio.to_thread(_copies, entries, plan.run_id, tenant.id)
        now = self._engine.clock.now()
        timers = _timers(tenant, plan.run_id, state, now - entries[-1].at)
        done: Fork = await database.write(_store, tenant, run_id, plan, copies, timers, key, now)
        await self._engine.wake([done.run_id], {})
        return done

    async def _read(self, tenant: TenantId, run_id: str, before: int) -> tuple[list[Recorded], RunState]:
        """Reads and folds the copied part, page by page; others get a turn between two pages."""
        entries: list[Recorded] = []
        state = RunState(run_id=run_id)
        while len(entries) < before - 1:
            limit = min(JOURNAL_PAGE, before - 1 - len(entries))
            page = await self._engine.database.read(read_events, tenant.id, run_id, len(entries), limit)
            if not page:
                raise NotFound(f"the journal of run {run_id} is gone", field="runId")
            fold(run_id, (entry.event() for entry in page), state)
            entries += page
        return entries, state


def _look(connection: Connection, tenant: TenantId, run_id: str, before: int, key: str) -> Fork | None:
    """Refuses a point that is none. Returns the fork that was made under this key before, or None."""
    row = deliveries.require_run(connection, tenant, run_id)
    earlier = runs.by_idempotency_key(connection, tenant.id, key) if key else None
    if earlier is not None:
        return Fork(run_id=earlier.run_id)
    if before - 1 > LONGEST_JOURNAL:
        raise InvalidArgument(f"a fork copies {LONGEST_JOURNAL} events at most", field="beforeSeq")
    if not 2 <= before <= row.current_seq + 1:
        raise InvalidArgument(f"choose a point from 2 to {row.current_seq + 1}", field="beforeSeq")
    return None


def _store(
    connection: Connection,
    tenant: TenantId,
    run_id: str,
    plan: Fork,
    copies: list[dict[str, Any]],
    timers: list[dict[str, Any]],
    key: str,
    now: float,
) -> Fork:
    """Creates the new run, unless another request with this key was faster."""
    earlier = runs.by_idempotency_key(connection, tenant.id, key) if key else None
    if earlier is not None:
        return Fork(run_id=earlier.run_id)
    _insert(connection, deliveries.require_run(connection, tenant, run_id), plan, copies, key, now)
    if timers:
        connection.execute(insert(TIMERS), timers)
    return plan


def _as_told(run_id: str, entries: list[Recorded]) -> tuple[list[Recorded], RunState]:
    """Returns what the fork keeps, without what was planned last: it is planned anew, as a whole."""
    events = [entry.event() for entry in entries]
    if is_turn(events[-1]):
        raise FailedPrecondition(
            "what the model said follows that point", hint="choose a point at least one later"
        )
    length = cut(events)
    return entries[:length], fold(run_id, events[:length])


def _refuse_open_work(state: RunState) -> None:
    if state.effects:
        names = ", ".join(sorted(state.effects))
        raise FailedPrecondition(
            f"effect {names} is in flight at that point", hint="choose a later or earlier point"
        )
    for step in state.steps.values():
        if step.uncertain:
            message = f"nobody knows at that point what became of effect {step.uncertain}"
            raise FailedPrecondition(message, hint="choose a later or earlier point")
    if state.open_children or any(step.children for step in state.steps.values()):
        raise FailedPrecondition(
            "child runs are at work at that point", hint="choose a point after they have ended"
        )
    if state.approvals:
        raise FailedPrecondition(
            "a question is open at that point", hint="choose a point before it was asked or after the answer"
        )
    if state.outcome:
        raise FailedPrecondition("the run is over at that point", hint="choose an earlier point")


def _kept(entries: list[Recorded]) -> list[str]:
    return [entry.event().data["step"] for entry in entries if entry.type == ev.STEP_COMPLETED]


def _insert(
    connection: Connection, row: Row[Any], plan: Fork, copies: list[dict[str, Any]], key: str, now: float
) -> None:
    keep = (
        "tenant_id",
        "tenant",
        "kind",
        "name",
        "revision",
        "closure",
        "labels",
        "input",
        "principal",
        "budget",
    )
    values = {name: getattr(row, name) for name in keep}
    values |= {
        "run_id": plan.run_id,
        "root_run_id": plan.run_id,
        "state": "pending",
        "forked_from": f"{row.run_id}@{len(copies)}",
        "idempotency_key": key or None,
        "created_at": now,
        "queue_status": "ready",
        "priority": usual(row.priority or 0),
        **read_lane(connection, row),
    }
    insert_runs(connection, [values])
    runs.save_labels(connection, row.tenant_id, plan.run_id, codec.loads(row.labels))
    connection.execute(insert(JOURNAL), copies)
    mine = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == plan.run_id)
    connection.execute(mine.values(seq=len(copies)))


def _copies(entries: list[Recorded], run_id: str, tenant_id: str) -> list[dict[str, Any]]:
    return [_copied(entry, run_id, tenant_id) for entry in entries]


def copied_event(event: ev.Event) -> ev.Event:
    """Returns an event without its cost: the old run has paid it, the new one has its own budget."""
    data = {name: value for name, value in event.data.items() if name not in ("cost", "tokens")}
    if event.type in (ev.CHILD_FINISHED, ev.CHILDREN_PROGRESS):
        data |= {"cost": 0, "tokens": 0}
    return replace(event, data=data)


def _copied(entry: Recorded, run_id: str, tenant_id: str) -> dict[str, Any]:
    copied = copied_event(entry.event())
    return {
        "run_id": run_id,
        "seq": entry.seq,
        "tenant_id": tenant_id,
        "type": copied.type,
        "data": codec.dumps(copied.data),
        "at": copied.at,
    }


def _timers(tenant: TenantId, run_id: str, state: RunState, shift: float) -> list[dict[str, Any]]:
    """Returns what waits for a time. It has as much time left, in seconds, as it had at the chosen point."""
    return [
        {"run_id": run_id, "timer": name, "tenant_id": tenant.id, "due": timer["due"] + shift}
        for name, timer in state.timers.items()
    ]
