"""Ends runs at once, in one transaction and whoever holds them: nothing is undone, nothing more is asked for.

The run is taken from its holder by its epoch, as a worker that died would lose it, so this works on a run
that no worker can advance any more. What was in flight is recorded as abandoned, and its call ids are closed:
a worker that was frozen before the call does not make it when it thaws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.loading import facts_of
from quarterdeck.runtime.execution.unit import finished_row, parent_delivery
from quarterdeck.runtime.operations.deliveries import require_run
from quarterdeck.runtime.reducer.effects import effect_of
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.commits import Commit, commit
from quarterdeck.runtime.store.family import open_below
from quarterdeck.runtime.store.journal import of_type
from quarterdeck.runtime.tables import RUN_QUEUE
from quarterdeck.runtime.tracing import end_of

log = structlog.get_logger("terminating")

# The holder of a run that is being terminated; no worker has this name.
NOBODY = "terminated"
# Runs that one transaction ends.
PAGE = 200
_IN_FLIGHT = "the run was terminated while this was in flight; whether it was done is not known"


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was ended here: its row as it was before, and what was appended after `seq`.

    `calls`: the tool calls that were in flight.
    """

    row: Any
    seq: int
    events: Sequence[ev.Event]
    calls: Sequence[Effect]


@dataclass(slots=True)
class Terminated:
    """What one transaction did. `more`: there are runs below that are still open."""

    ended: list[Ended] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    poke: dict[str, str] = field(default_factory=dict)
    more: bool = False


class Terminator:
    """Terminates runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def terminate(self, tenant: TenantId, run_id: str, reason: str, by: str) -> None:
        """Ends a run and every open one below it.

        Called again on a run that is over, it ends what is still open below it.
        """
        more = True
        while more:
            now = self._engine.clock.now()
            done = await self._engine.database.write(terminate, tenant, run_id, reason, by, now)
            for ended in done.ended:
                self._told(ended, now)
            await self._engine.wake(done.ready, done.poke)
            await self._seal(done.ended)
            more = done.more

    async def _seal(self, ended: Sequence[Ended]) -> None:
        """Has nobody make the calls that were announced and not made, as far as that can be had now.

        What cannot be closed because the manager is away is closed before the run is retried.
        """
        calls = self._engine.calls
        for one in ended:
            if calls is None or not one.calls:
                continue
            try:
                await calls.seal(facts_of(one.row), one.calls)
            except QuarterdeckError as error:
                log.warning("run.calls_not_closed", run_id=one.row.run_id, reason=error.message)

    def _told(self, ended: Ended, now: float) -> None:
        row = ended.row
        self._engine.live.committed(row.tenant_id, row.run_id, ended.seq + 1, list(ended.events))
        began = row.started_at or now
        self._engine.instruments.run_ended(row.kind, row.name, "cancelled", now - began, row.cost, None)
        self._engine.told_end(end_of(row, "cancelled", began, now))


def terminate(
    connection: Connection, tenant: TenantId, run_id: str, reason: str, by: str, now: float
) -> Terminated:
    """Ends a run, then up to a page of open runs below it; in the caller's transaction."""
    row = require_run(connection, tenant, run_id)
    error = ev.error_value(
        "cancelled", f"terminated: {reason}" if reason else "terminated", by=by, terminated=True
    )
    done = Terminated()
    if row.finished_at is None:
        _end(connection, row, error, now, done)
    below = open_below(connection, row, PAGE + 1)
    done.more = len(below) > PAGE
    for child in below[:PAGE]:
        _end(connection, runs.get_run(connection, tenant.id, child), error, now, done)
    return done


def _end(connection: Connection, row: Any, error: dict[str, Any], now: float, done: Terminated) -> None:
    held = _take(connection, row.run_id)
    if held is None:
        return
    holder, epoch, seq = held
    effects = _in_flight(connection, row.tenant_id, row.run_id)
    events = _last_events(list(effects), error, now)
    state = RunState(run_id=row.run_id, seq=seq + len(events), outcome="cancelled", error=error)
    state.spent, state.tokens = row.cost, row.tokens
    told = parent_delivery(facts_of(row), state, None)
    unit = Commit(
        run_id=row.run_id,
        tenant_id=row.tenant_id,
        worker=NOBODY,
        epoch=epoch,
        seq=seq,
        events=events,
        run=finished_row(state, now, None),
        deliveries=[told] if told else [],
        finished=True,
        gate=row.gate,
        session=row.session,
    )
    answer = commit(connection, unit, now)
    calls = [effect for effect in effects.values() if effect.kind == "tool"]
    done.ended.append(Ended(row, seq, events, calls))
    done.ready += answer.ready
    done.poke |= answer.poke
    if holder:
        done.poke[row.run_id] = holder


def _take(connection: Connection, run_id: str) -> tuple[str, int, int] | None:
    """Takes the run from whoever holds it. Returns (who that was, new epoch, last sequence number)."""
    mine = RUN_QUEUE.c.run_id == run_id
    holder = connection.execute(select(RUN_QUEUE.c.worker).where(mine)).scalar()
    taken = update(RUN_QUEUE).where(mine).values(status="held", worker=NOBODY, epoch=RUN_QUEUE.c.epoch + 1)
    if connection.execute(taken).rowcount == 0:
        return None
    found = connection.execute(select(RUN_QUEUE.c.epoch, RUN_QUEUE.c.seq).where(mine)).one()
    return holder or "", found.epoch, found.seq


def _last_events(abandoned: list[str], error: dict[str, Any], now: float) -> list[ev.Event]:
    problem = ev.error_value("uncertain", _IN_FLIGHT)
    outcomes = [{"effect": effect, "status": "abandoned", "error": problem} for effect in abandoned]
    events = [ev.Event(ev.EFFECT_OUTCOME, outcome, now) for outcome in outcomes]
    return [*events, ev.Event(ev.RUN_CANCELLED, {"error": error, "abandoned": abandoned}, now)]


def _in_flight(connection: Connection, tenant_id: str, run_id: str) -> dict[str, Effect]:
    """Returns the effects with an intent and no outcome: read, not folded, for a fold may be impossible."""
    effects: dict[str, Effect] = {}
    for entry in of_type(connection, tenant_id, run_id, ev.EFFECT_INTENT, ev.EFFECT_OUTCOME):
        data = entry.event().data
        if entry.type == ev.EFFECT_INTENT:
            effects[data["effect"]] = effect_of(data)
        else:
            effects.pop(data["effect"], None)
    return effects
