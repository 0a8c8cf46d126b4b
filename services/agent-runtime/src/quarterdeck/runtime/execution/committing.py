"""What a held run is about to write: events folded already, and what goes with them, in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from quarterdeck.runtime.constants import CHILD_PAGE, LONGEST_REASON, SNAPSHOT_EVERY
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import RUN_PAUSED, Event
from quarterdeck.runtime.execution import unit
from quarterdeck.runtime.execution.appending import append
from quarterdeck.runtime.execution.loading import Fenced, Loaded
from quarterdeck.runtime.planner.limits import refuse_oversized, snapshot_of
from quarterdeck.runtime.planner.planning import Decision, NewChild
from quarterdeck.runtime.reducer import apply
from quarterdeck.runtime.starting.newborn import child_row
from quarterdeck.runtime.store.commits import Commit, Committed, Fate
from quarterdeck.runtime.store.queue import Claim

# Events and new child runs in one commit; it may hold one decision more.
EVENTS_PER_COMMIT = 500
CHILDREN_PER_COMMIT = 1000

CommitFunction = Callable[[Commit, float], Awaitable[Committed]]


class Writer:
    """Folds events into a run's state and makes them durable together.

    After any exception out of `commit` the state is ahead of the journal and must be dropped.

    Args:
        first_commit: makes the first commit in place of a plain one; see `beginning`.
    """

    def __init__(
        self, engine: Engine, claim: Claim, loaded: Loaded, first_commit: CommitFunction | None = None
    ) -> None:
        self._engine = engine
        self._claim = claim
        self._facts = loaded.facts
        self._first_commit = first_commit
        self.state = loaded.state
        self.snapshot_seq = loaded.snapshot_seq
        # Ids of the inbox rows that pending events answer.
        self.consumed: list[int] = []
        self._pending: list[Event] = []
        self._children: list[NewChild] = []
        self._cancelled: list[str] = []
        self._cancelled_keys: list[str] = []
        # Columns of the run's row as they were written last; a commit writes only what differs.
        self._written = {name: getattr(loaded.row, name) for name in unit.CHANGING_COLUMNS}
        self._remember()

    def _remember(self) -> None:
        """What is durable now, to tell later what has changed."""
        self._committed_seq = self.state.seq
        self._timers_before = set(self.state.timers)
        self._asked_before = set(self.state.approvals)
        self._paused_before = self.state.paused is not None

    @property
    def is_full(self) -> bool:
        """True when enough is pending for one commit."""
        return len(self._pending) >= EVENTS_PER_COMMIT or len(self._children) >= CHILDREN_PER_COMMIT

    @property
    def is_durable(self) -> bool:
        """True once anything of the run's journal is."""
        return self._committed_seq > 0

    @property
    def has_news(self) -> bool:
        """True when there is something to commit."""
        return bool(self._pending or self.consumed)

    def append(self, event: Event) -> None:
        """Folds an event and holds it for the next commit."""
        stamped = Event(event.type, event.data, self._engine.clock.now())
        apply(self.state, stamped)
        self._pending.append(stamped)

    def take(self, decision: Decision) -> None:
        """Holds what goes with the events of a decision."""
        self._children.extend(decision.children)
        self._cancelled.extend(decision.cancel_runs)
        self._cancelled_keys.extend(decision.cancel_children_of)

    def holds_up(self, reason: str) -> bool:
        """Notes what the run's row is about to say; False if it says so already."""
        if self._written["reason"] == reason[:LONGEST_REASON] or not self.is_durable:
            return False
        self._written["reason"] = reason[:LONGEST_REASON]
        return True

    async def commit(self, *, park_if_inbox: int | None, finished: bool) -> Fate:
        """Makes what is pending durable.

        Args:
            park_if_inbox: park the run too, if its inbox counter is still this.
            finished: the run is over.

        Raises:
            Fenced: somebody else holds the run; nothing was written.
            CannotGoOn: an event or the state is over a limit; nothing was written.
        """
        made = await self._unit(park_if_inbox, finished)
        store, self._first_commit = self._first_commit or self._store, None
        answer = await store(made, self._engine.clock.now())
        self._engine.instruments.commits.labels(answer.fate.value).inc()
        if answer.fate is Fate.FENCED:
            raise Fenced(self._facts.run_id)
        self._committed(made)
        if answer.ready or answer.poke:
            await self._engine.wake(answer.ready, answer.poke)
        return answer.fate

    async def _store(self, made: Commit, now: float) -> Committed:
        return await append(self._engine.database, made, now)

    def _committed(self, made: Commit) -> None:
        self._engine.instruments.events.inc(len(self._pending))
        self._engine.live.committed(self._facts.tenant_id, self._facts.run_id, made.seq + 1, self._pending)
        self._pending, self._children, self.consumed = [], [], []
        self._cancelled, self._cancelled_keys = [], []
        self._written |= made.run
        self._remember()
        if made.snapshot is not None:
            self.snapshot_seq = self._committed_seq
        if made.timers:
            self._engine.timers_changed.set()

    async def _unit(self, park_if_inbox: int | None, finished: bool) -> Commit:
        facts, state, now = self._facts, self.state, self._engine.clock.now()
        refuse_oversized(self._pending)
        made = Commit(
            run_id=facts.run_id,
            tenant_id=facts.tenant_id,
            worker=self._engine.worker,
            epoch=self._claim.epoch,
            seq=self._committed_seq,
            events=self._pending,
            consumed=self.consumed,
            timers_cleared=sorted(self._timers_before - set(state.timers)),
            park_if_inbox=park_if_inbox,
            finished=finished,
            gate=facts.gate,
            session=facts.session,
        )
        unit.side_rows(made, facts, self._pending, state, now, self._asked_before)
        made.children = await self._child_rows(now)
        made.cancelled, made.cancelled_keys = tuple(self._cancelled), tuple(self._cancelled_keys)
        made.run = self._columns(parks=park_if_inbox is not None, finished=finished, now=now)
        if not finished and self._is_steered():
            made.steer_children = "unpause" if state.paused is None else "pause"
        if finished:
            told = unit.parent_delivery(facts, state, state.output)
            made.deliveries = [told] if told else []
        elif state.seq - self.snapshot_seq >= SNAPSHOT_EVERY:
            made.snapshot = snapshot_of(state)
        return made

    def _is_steered(self) -> bool:
        """True if the run was paused or is no longer, however short it was: its children heard of it too."""
        paused = any(event.type == RUN_PAUSED for event in self._pending)
        return paused or (self.state.paused is not None) != self._paused_before

    async def _child_rows(self, now: float) -> list[dict[str, Any]]:
        rows = []
        for count, child in enumerate(self._children, 1):
            rows.append(await child_row(self._engine, self._facts, child, now))
            if count % CHILD_PAGE == 0:
                await asyncio.sleep(0)
        return rows

    def _columns(self, *, parks: bool, finished: bool, now: float) -> dict[str, Any]:
        """Returns what changes in the run's row."""
        if finished:
            return unit.finished_row(self.state, now, self.state.output)
        columns: dict[str, Any] = unit.standing_row(self.state, self._facts)
        if not self._facts.started:
            self._facts.started = True
            columns |= unit.started_row(now)
        if parks:
            columns |= {"state": "waiting", "reason": unit.waiting_reason(self.state)}
        elif self._written["state"] in ("waiting", "quarantined") and self._pending:
            columns |= {"state": "running", "reason": ""}
        elif self._pending:
            columns |= {"reason": ""}
        return {name: value for name, value in columns.items() if self._written.get(name) != value}
