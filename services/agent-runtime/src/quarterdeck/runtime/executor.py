"""Advances one claimed run: decide, commit, perform, and again, until only the outside can bring it on.

The executor is the only writer of its run while it holds the epoch. Events are folded into its
own copy of the state first and committed together with the intents they lead to; nothing is
performed before the commit that holds its intent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    QuarterdeckError,
    Unavailable,
)
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import planner, planner_agent, planner_workflow, unit
from quarterdeck.runtime.asking import FIRST_PAUSE, HandedOver, ask_later, until
from quarterdeck.runtime.budgets import child_budget
from quarterdeck.runtime.constants import (
    CHILD_PAGE,
    INBOX_PAGE,
    ITEM_WAKE_DELAY,
    MAX_EVENT_BYTES,
    MAX_EVENT_DEPTH,
    MAX_STATE_BYTES,
    SNAPSHOT_EVERY,
)
from quarterdeck.runtime.definition import Definition, WorkflowDefinition
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.inbox_events import EXPIRY, to_events
from quarterdeck.runtime.inputs import check_input
from quarterdeck.runtime.joining import join_children
from quarterdeck.runtime.lifecycle import timer
from quarterdeck.runtime.loading import Loaded
from quarterdeck.runtime.newborn import child_row, start_event
from quarterdeck.runtime.planning import Decision, NewChild, Planning, ValuesNeeded
from quarterdeck.runtime.reducer import apply
from quarterdeck.runtime.state import FORWARD, Effect, RunState, Step
from quarterdeck.runtime.store.commits import Commit, Committed, Fate, commit
from quarterdeck.runtime.store.inbox import read_inbox
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.storing import lightened

log = structlog.get_logger("executor")

# Decisions between two turns of the event loop; events and new child runs in one commit (a decision more).
DECISIONS_PER_TURN = 20
EVENTS_PER_COMMIT = 500
CHILDREN_PER_COMMIT = 1000


class Fenced(Exception):
    """Somebody else holds the run; everything this executor knows about it is void."""


CommitFunction = Callable[[Commit, float], Awaitable[Committed]]


class Executor:
    """One run in the hands of one worker.

    Args:
        first_commit: makes the first commit in place of a plain one; see `beginning`.
    """

    def __init__(
        self,
        engine: Engine,
        claim: Claim,
        loaded: Loaded,
        definition: Definition,
        first_commit: CommitFunction | None = None,
    ) -> None:
        self._engine = engine
        self._first_commit = first_commit
        self._claim = claim
        self._facts = loaded.facts
        self._row = loaded.row
        self._state: RunState = loaded.state
        self._definition = definition
        self._values: dict[str, Any] = {}
        self._pending: list[Event] = []
        self._children: list[NewChild] = []
        self._cancelled: list[str] = []
        self._cancelled_keys: list[str] = []
        self._consumed: list[int] = []
        self._inbox_seen = -1
        self._committed_seq = loaded.state.seq
        self._snapshot_seq = loaded.snapshot_seq
        self._timers_before = set(loaded.state.timers)
        self._asked_before = set(loaded.state.approvals)
        # Columns of the run's row as they were written last; a commit writes only what differs.
        self._written = {name: getattr(loaded.row, name) for name in unit.CHANGING_COLUMNS}
        self._tasks: dict[str, asyncio.Task[list[Event]]] = {}
        self._poked = False
        self._leaving = asyncio.Event()
        self._stirred = asyncio.Event()

    def poke(self) -> None:
        """Something arrived in the run's inbox."""
        self._poked = True
        self._stirred.set()

    def look(self, inbox: int) -> None:
        """The database says how many deliveries the run ever got: reads those that no poke told of."""
        if inbox > self._inbox_seen >= 0:
            self.poke()

    def drain(self) -> None:
        """Hand the run over as soon as no effect of it is in flight."""
        self._leaving.set()
        self.poke()

    @property
    def has_effects_in_flight(self) -> bool:
        """True while something outside is being done for this run."""
        return bool(self._tasks)

    async def run(self) -> bool:
        """Advances the run. Returns True when it parked or ended, False when it is to be handed back.

        Raises:
            Fenced: the run belongs to somebody else now.
        """
        until(self._leaving)
        try:
            if self._claim.seq == 0:
                await self._begin()
            while True:
                await self._read_inbox()
                await self._decide()
                if await self._commit_and_perform():
                    return True
                if self._leaving.is_set() and not self._tasks:
                    return False
                await self._wait()
        finally:
            await self._drop_tasks()

    async def _begin(self) -> None:
        """Appends the first event. A child whose input breaks its schema ends with that at once.

        (A root's input was checked before it was accepted.)
        """
        self._append(start_event(self._row, await self._put(await self._history(), INLINE_BYTES)))
        if not self._facts.parent_run_id or self._definition.input_schema is None:
            return
        stored = self._state.input
        digest = artifacts.referenced(stored)
        value = stored if digest is None else await self._value(digest)
        try:
            await check_input(value, self._definition.input_schema)
        except (InvalidArgument, FailedPrecondition) as error:
            problem = ev.error_value("validation", error.message, field=error.field, hint=error.hint)
            self._append(Event(ev.RUN_FAILED, {"error": problem}))

    async def _history(self) -> list[dict[str, Any]]:
        from quarterdeck.runtime.sessions import history_of

        return await history_of(self._engine, self._facts) if self._facts.session else []

    # -- deciding ------------------------------------------------------------------------------

    async def _decide(self) -> None:
        """Applies decisions until nothing follows from the state, or a commit is full."""
        count = 0
        while not self._is_full:
            decision = await self._next_decision()
            if decision is None:
                return
            await self._take(decision)
            count += 1
            if decision.children or count % DECISIONS_PER_TURN == 0:
                await asyncio.sleep(0)

    @property
    def _is_full(self) -> bool:
        return len(self._pending) >= EVENTS_PER_COMMIT or len(self._children) >= CHILDREN_PER_COMMIT

    async def _next_decision(self) -> Decision | None:
        while True:
            planning = self._planning()
            try:
                return planner.decide(planning)
            except ValuesNeeded as needed:
                for digest in needed.digests:
                    self._values[digest] = await self._value(digest)

    async def _value(self, digest: str) -> Any:
        try:
            return await self._engine.value(self._facts.tenant_id, digest)
        except (NotFound, InvalidArgument, ValueError) as error:
            raise CannotGoOn("validation", f"the artifact {digest} cannot be read: {error}") from error

    def _planning(self) -> Planning:
        now = self._engine.clock.now()
        return Planning(self._definition, self._state, self._values, now, self._engine.new_id)

    async def _take(self, decision: Decision) -> None:
        for event in decision.events:
            for ready in await self._enriched(event):
                self._append(ready)
        self._children.extend(decision.children)
        self._cancelled.extend(decision.cancel_runs)
        self._cancelled_keys.extend(decision.cancel_children_of)

    async def _enriched(self, event: Event) -> list[Event]:
        """Adds what a decision cannot know: artifacts for large values, and when a question expires."""
        if event.type == ev.APPROVAL_REQUESTED:
            return self._with_expiry(event)
        return [await lightened(event, self._put)]

    def _with_expiry(self, event: Event) -> list[Event]:
        seconds = self._engine.approval_expiry(self._facts.tenant, event.data["policy"])
        if seconds is None:
            return [event]
        due = self._engine.clock.now() + seconds
        asked = Event(event.type, {**event.data, "expires": due})
        return [asked, timer(event.data["step"], "expiry", due, EXPIRY + event.data["approval"])]

    async def _put(self, value: Any, limit: int) -> Any:
        return await artifacts.externalise(self._engine.artifacts, self._facts.tenant_id, value, limit)

    def _append(self, event: Event) -> None:
        """Folds an event and holds it for the next commit."""
        stamped = Event(event.type, event.data, self._engine.clock.now())
        apply(self._state, stamped)
        self._pending.append(stamped)

    # -- the inbox -----------------------------------------------------------------------------

    async def _read_inbox(self) -> None:
        """Turns what arrived into events. Skipped when nothing can have arrived since the last look."""
        if self._inbox_seen < 0 and self._row.inbox == 0:
            # Nothing had ever arrived when the run was loaded; whatever came later has poked.
            self._inbox_seen = 0
        if (self._inbox_seen >= 0 and not self._poked) or self._state.outcome:
            return
        self._poked = False
        run_id = self._facts.run_id
        rows, counter = await self._engine.database.read(read_inbox, run_id, INBOX_PAGE)
        fresh = [row for row in rows if row.id not in self._consumed]
        for event in to_events(self._state, fresh):
            self._append(event)
            if event.type == ev.RUN_REPINNED:
                await self._repin(event.data)
        self._consumed.extend(row.id for row in fresh)
        self._inbox_seen = counter
        if len(rows) == INBOX_PAGE:
            self.poke()

    async def _repin(self, data: dict[str, Any]) -> None:
        self._facts.closure = data["closure"]
        facts = self._facts
        self._definition = await self._engine.definition(
            facts.tenant_id, facts.closure, facts.kind, facts.name
        )

    # -- committing ----------------------------------------------------------------------------

    async def _commit_and_perform(self) -> bool:
        """Commits what is pending, then starts what it allows. Returns True when the run is let go."""
        finished = bool(self._state.outcome)
        full = self._is_full
        idle = not full and not self._tasks and not self._wanted_tasks()
        park = idle and not finished and not self._poked
        if self._pending or self._consumed or park or finished:
            answer = await self._commit(park=park, finished=finished)
            if finished:
                self._count_end()
                return True
            if park and answer.fate is Fate.DONE:
                self._engine.keep_state(self._state, self._snapshot_seq)
                return True
            if answer.fate is Fate.NOT_PARKED:
                self.poke()
        if full:  # there is more to decide at once
            self._stirred.set()
        self._start_tasks()
        return False

    async def _commit(self, *, park: bool, finished: bool) -> Committed:
        commit_unit = await self._unit(park=park, finished=finished)
        now = self._engine.clock.now()
        store, self._first_commit = self._first_commit or self._store, None
        answer = await store(commit_unit, now)
        self._engine.instruments.commits.labels(answer.fate.value).inc()
        if answer.fate is Fate.FENCED:
            raise Fenced(self._facts.run_id)
        self._engine.instruments.events.inc(len(self._pending))
        self._engine.live.committed(self._facts.run_id, self._committed_seq + 1, self._pending)
        self._committed_seq = self._state.seq
        self._timers_before = set(self._state.timers)
        self._asked_before = set(self._state.approvals)
        self._pending, self._children, self._consumed = [], [], []
        self._cancelled, self._cancelled_keys = [], []
        if commit_unit.snapshot is not None:
            self._snapshot_seq = self._committed_seq
        self._written |= commit_unit.run
        if answer.ready or answer.poke:
            await self._engine.wake(answer.ready, answer.poke)
        if commit_unit.timers:
            self._engine.timers_changed.set()
        return answer

    async def _store(self, commit_unit: Commit, now: float) -> Committed:
        return await self._engine.database.write(commit, commit_unit, now)

    async def _unit(self, *, park: bool, finished: bool) -> Commit:
        facts, state, now = self._facts, self._state, self._engine.clock.now()
        self._refuse_oversized()
        made = Commit(
            run_id=facts.run_id,
            tenant_id=facts.tenant_id,
            worker=self._engine.worker,
            epoch=self._claim.epoch,
            seq=self._committed_seq,
            events=self._pending,
            consumed=self._consumed,
            timers_cleared=sorted(self._timers_before - set(state.timers)),
            park_if_inbox=self._inbox_seen if park else None,
            finished=finished,
            gate=facts.gate,
        )
        unit.side_rows(made, facts, self._pending, state, now, self._asked_before)
        made.children = await self._child_rows(now)
        made.cancelled, made.cancelled_keys = tuple(self._cancelled), tuple(self._cancelled_keys)
        made.run = await self._run_columns(park=park, finished=finished, now=now)
        if finished:
            told = unit.parent_delivery(facts, state, state.output, ITEM_WAKE_DELAY)
            made.deliveries = [told] if told else []
        elif state.seq - self._snapshot_seq >= SNAPSHOT_EVERY:
            made.snapshot = self._snapshot()
        return made

    def _snapshot(self) -> bytes:
        """Returns the state as JSON. One that is too large may not grow on, but what was done is undone."""
        data = codec.dumps(self._state.to_json())
        if len(data) > MAX_STATE_BYTES and self._state.phase == FORWARD:
            message = f"the run's state has {len(data)} bytes; the limit is {MAX_STATE_BYTES}"
            raise CannotGoOn("limit", message)
        return data

    def _refuse_oversized(self) -> None:
        """Raises if an event is over its limit; the run then fails with that error."""
        for event in self._pending:
            data = codec.dumps(event.data)
            where = f" of step {event.data['step']}" if event.data.get("step") else ""
            if len(data) > MAX_EVENT_BYTES:
                message = f"event {event.type}{where} has {len(data)} bytes; the limit is {MAX_EVENT_BYTES}"
                raise CannotGoOn("limit", message)
            if codec.is_deep(data, MAX_EVENT_DEPTH):
                message = f"event {event.type}{where} is nested deeper than {MAX_EVENT_DEPTH} levels"
                raise CannotGoOn("limit", message)

    async def _child_rows(self, now: float) -> list[dict[str, Any]]:
        rows = []
        for count, child in enumerate(self._children, 1):
            budget = child_budget(self._state, child.step)
            rows.append(await child_row(self._engine, self._facts, child, budget, now))
            if count % CHILD_PAGE == 0:
                await asyncio.sleep(0)
        return rows

    async def _run_columns(self, *, park: bool, finished: bool, now: float) -> dict[str, Any]:
        if finished:
            return unit.finished_row(self._state, now, self._state.output)
        columns: dict[str, Any] = unit.standing_row(self._state, self._facts)
        if not self._facts.started:
            self._facts.started = True
            columns |= unit.started_row(now)
        if park:
            columns |= {"state": "waiting", "reason": unit.waiting_reason(self._state)}
        elif self._written["state"] in ("waiting", "quarantined") and self._pending:
            columns |= {"state": "running", "reason": ""}
        return {name: value for name, value in columns.items() if self._written.get(name) != value}

    def _count_end(self) -> None:
        state, facts = self._state, self._facts
        seconds = self._engine.clock.now() - state.started_at
        output = state.output
        self._engine.instruments.run_ended(
            facts.kind, facts.name, state.outcome, seconds, state.spent, output
        )

    # -- performing ----------------------------------------------------------------------------

    def _wanted_tasks(self) -> dict[str, tuple[str, Effect | Step | None]]:
        """Returns what should be at work now and is not: effects, joins of maps, the list of tools."""
        wanted: dict[str, tuple[str, Effect | Step | None]] = {
            effect.id: ("effect", effect) for effect in self._state.effects.values()
        }
        planning = self._planning()
        if isinstance(self._definition, WorkflowDefinition):
            if self._state.phase != "finished":
                wanted |= {f"join:{s.id}": ("join", s) for s in planner_workflow.joinable_steps(planning)}
        elif planner_agent.needs_tools(planning):
            wanted["tools"] = ("tools", None)
        return {key: value for key, value in wanted.items() if key not in self._tasks}

    def _start_tasks(self) -> None:
        if self._leaving.is_set():
            return
        for key, (kind, subject) in self._wanted_tasks().items():
            work = self._work(kind, subject)
            task = asyncio.create_task(work, name=f"{self._facts.run_id}:{key}")
            task.add_done_callback(self._stir)
            self._tasks[key] = task

    def _stir(self, _task: asyncio.Task[list[Event]]) -> None:
        self._stirred.set()

    def _work(self, kind: str, subject: Effect | Step | None) -> Coroutine[Any, Any, list[Event]]:
        if isinstance(subject, Effect):
            return self._perform(subject)
        if isinstance(subject, Step):
            return join_children(self._engine, self._facts, subject)
        return self._pin_tools()

    async def _perform(self, effect: Effect) -> list[Event]:
        try:
            return await self._performed(effect)
        except HandedOver:
            return []
        except QuarterdeckError as error:
            problem = ev.error_value("internal", error.message, hint=error.hint)
        except Exception as error:
            log.exception("effect.failed", run_id=self._facts.run_id, effect=effect.id)
            problem = ev.error_value("internal", f"{type(error).__name__} while performing {effect.kind}")
        return [Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": "error", "error": problem})]

    async def _performed(self, effect: Effect) -> list[Event]:
        """Performs until there is an outcome; one that could not be stored is asked for again."""
        performer, pause = self._engine.performers[effect.kind], FIRST_PAUSE
        while True:
            try:
                return await performer.perform(self._facts, self._definition, self._state, effect)
            except Unavailable as error:
                log.warning("effect.held_up", run_id=self._facts.run_id, effect=effect.id, reason=str(error))
                pause = await ask_later(self._engine.clock, pause)

    async def _pin_tools(self) -> list[Event]:
        from quarterdeck.runtime.toolbox import pinned_event

        try:
            return await pinned_event(self._engine, self._facts)
        except HandedOver:
            return []

    async def _wait(self) -> None:
        """Waits for an outcome, a poke or the order to drain, and takes the outcomes in."""
        await self._stirred.wait()
        self._stirred.clear()
        for key, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[key]
                for event in task.result():
                    self._append(await lightened(event, self._put))

    async def _drop_tasks(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


class CannotGoOn(Exception):
    """However often it is tried, this run cannot be brought on: it fails with this error.

    Args:
        kind: the class of the error.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
