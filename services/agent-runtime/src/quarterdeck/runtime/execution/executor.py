"""Advances one claimed run: decide, commit, perform, and again, until only the outside can bring it on.

The executor is the only writer of its run while it holds the epoch. Events are folded into its
own copy of the state first and committed together with the intents they lead to; nothing is
performed before the commit that holds its intent.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from quarterdeck.common import artifacts
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound, QuarterdeckError
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import planner
from quarterdeck.runtime.constants import INBOX_PAGE, LARGE_MAP
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.asking import sleep_unless, until
from quarterdeck.runtime.execution.committing import CommitFunction, Writer
from quarterdeck.runtime.execution.inbox_events import EXPIRY, to_events
from quarterdeck.runtime.execution.loading import Fenced, Loaded
from quarterdeck.runtime.execution.performing import Work, wanted_work
from quarterdeck.runtime.execution.reserving import with_reservations
from quarterdeck.runtime.execution.storing import lightened
from quarterdeck.runtime.execution.unit import item_wake_delay
from quarterdeck.runtime.planner.lifecycle import timer
from quarterdeck.runtime.planner.limits import CannotGoOn
from quarterdeck.runtime.planner.planning import Decision, Planning, ValuesNeeded
from quarterdeck.runtime.starting.inputs import check_input
from quarterdeck.runtime.starting.newborn import start_event
from quarterdeck.runtime.store.commits import Fate
from quarterdeck.runtime.store.inbox import OVER, read_inbox
from quarterdeck.runtime.store.queue import Claim, hold_up
from quarterdeck.runtime.tracing import end_of

log = structlog.get_logger("executor")

# Large values that a run keeps from one decision for the next; the engine's cache has them, too.
VALUES_AT_HAND = 32
# Decisions between two turns of the event loop.
DECISIONS_PER_TURN = 20


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
        self._claim = claim
        self._facts = loaded.facts
        self._facts.epoch = claim.epoch
        self._row = loaded.row
        self._state = loaded.state
        self._definition = definition
        self._values: dict[str, Any] = {}
        self._inbox_seen = -1
        self._poked = False
        # There is more to decide at once: the last commit was full.
        self._more = False
        self._leaving = asyncio.Event()
        self._stirred = asyncio.Event()
        self._writer = Writer(engine, claim, loaded, first_commit)
        self._work = Work(engine, loaded.facts, self._stirred.set)

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

    async def run(self) -> bool:
        """Advances the run. Returns True when it parked or ended, False when it is to be handed back.

        Raises:
            Fenced: the run belongs to somebody else now.
            CannotGoOn: it has to fail.
        """
        until(self._leaving, self._tell_held_up)
        try:
            if self._claim.seq == 0:
                await self._begin()
            while True:
                await self._read_inbox()
                await self._decide()
                if await self._commit_and_perform():
                    return True
                if self._leaving.is_set() and not self._work:
                    return False
                await self._wait()
        finally:
            await self._work.drop()

    async def _begin(self) -> None:
        """Appends the first event. A child whose input breaks its schema ends with that at once.

        (A root's input was checked before it was accepted.)
        """
        history = await self._put(await self._history(), INLINE_BYTES)
        self._writer.append(start_event(self._row, history))
        if not self._facts.parent_run_id or self._definition.input_schema is None:
            return
        stored = self._state.input
        digest = artifacts.referenced(stored)
        value = stored if digest is None else await self._value(digest)
        try:
            await check_input(value, self._definition.input_schema)
        except (InvalidArgument, FailedPrecondition) as error:
            problem = ev.error_value("validation", error.message, field=error.field, hint=error.hint)
            self._writer.append(Event(ev.RUN_FAILED, {"error": problem}))

    async def _history(self) -> list[dict[str, Any]]:
        from quarterdeck.runtime.execution.sessions import history_of

        return await history_of(self._engine, self._facts) if self._facts.session else []

    async def _tell_held_up(self, reason: str) -> None:
        """Writes into the run's row what an effect waits for; the next commit takes it out again."""
        if not self._writer.holds_up(reason):
            return
        log.warning("run.held_up", run_id=self._facts.run_id, tenant_id=self._facts.tenant_id, reason=reason)
        with contextlib.suppress(QuarterdeckError):
            await self._engine.database.write(hold_up, self._claim, reason)

    # -- the inbox -----------------------------------------------------------------------------

    async def _read_inbox(self) -> None:
        """Turns what arrived into events. Skipped when nothing can have arrived since the last look."""
        if self._inbox_seen < 0 and self._row.inbox == 0:
            # Nothing had ever arrived when the run was loaded; whatever came later has poked.
            self._inbox_seen = 0
        if (self._inbox_seen >= 0 and not self._poked) or self._state.outcome:
            return
        self._poked = False
        run_id, tenant_id = self._facts.run_id, self._facts.tenant_id
        rows, counter = await self._engine.database.read(read_inbox, tenant_id, run_id, INBOX_PAGE)
        if counter == OVER and self._writer.is_durable:
            raise Fenced(run_id)  # somebody has ended it
        fresh = [row for row in rows if row.id not in self._writer.consumed]
        for event in to_events(self._state, fresh):
            self._writer.append(event)
            if event.type == ev.RUN_REPINNED:
                await self._repin(event.data)
        self._writer.consumed.extend(row.id for row in fresh)
        self._inbox_seen = counter
        if len(rows) == INBOX_PAGE:
            self.poke()

    async def _repin(self, data: dict[str, Any]) -> None:
        self._facts.closure = data["closure"]
        facts = self._facts
        self._definition = await self._engine.definition(
            facts.tenant_id, facts.closure, facts.kind, facts.name
        )

    # -- deciding ------------------------------------------------------------------------------

    async def _decide(self) -> None:
        """Applies decisions until nothing follows from the state, or a commit is full."""
        count = 0
        while not self._writer.is_full:
            decision = await self._next_decision()
            if decision is None:
                return
            await self._take(decision)
            count += 1
            if decision.children or count % DECISIONS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _next_decision(self) -> Decision | None:
        if len(self._values) > VALUES_AT_HAND:
            self._values.clear()
        while True:
            try:
                return planner.decide(self._planning())
            except ValuesNeeded as needed:
                for digest in sorted(needed.digests):
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
        await with_reservations(self._engine, self._facts, self._definition, self._state, decision)
        for event in decision.events:
            for ready in await self._enriched(event):
                self._writer.append(ready)
        self._writer.take(decision)

    async def _enriched(self, event: Event) -> list[Event]:
        """Adds what a decision cannot know: artifacts for large values, and when a question expires."""
        light = await lightened(event, self._put)
        return self._with_expiry(light) if event.type == ev.APPROVAL_REQUESTED else [light]

    def _with_expiry(self, event: Event) -> list[Event]:
        seconds = self._engine.approval_expiry(self._facts.tenant, event.data["policy"])
        if seconds is None:
            return [event]
        due = self._engine.clock.now() + seconds
        asked = Event(event.type, {**event.data, "expires": due})
        return [asked, timer(event.data["step"], "expiry", due, EXPIRY + event.data["approval"])]

    async def _put(self, value: Any, limit: int) -> Any:
        return await artifacts.externalise(self._engine.artifacts, self._facts.tenant_id, value, limit)

    # -- committing and performing ---------------------------------------------------------------

    async def _commit_and_perform(self) -> bool:
        """Commits what is pending, then starts what it allows. Returns True when the run is let go."""
        finished, full = bool(self._state.outcome), self._writer.is_full
        idle = not full and not self._work and not wanted_work(self._planning())
        park = idle and not finished and not self._poked
        if self._writer.has_news or park or finished:
            inbox = self._inbox_seen if park else None
            fate = await self._writer.commit(park_if_inbox=inbox, finished=finished)
            if finished:
                self._count_end()
                return True
            if park and fate is Fate.DONE:
                self._engine.keep_state(self._state, self._writer.snapshot_seq)
                return True
            if fate is Fate.NOT_PARKED:
                self.poke()
        self._more = full
        if full:
            self._stirred.set()
        if not self._leaving.is_set():
            self._work.start(self._planning())
        return False

    def _count_end(self) -> None:
        state, facts = self._state, self._facts
        began, now = state.started_at, self._engine.clock.now()
        self._engine.instruments.run_ended(
            facts.kind, facts.name, state.outcome, now - began, state.spent, state.output
        )
        self._engine.told_end(end_of(facts, state.outcome, began, now))

    async def _wait(self) -> None:
        """Waits for an outcome, a poke or the order to drain, and takes the outcomes in."""
        await self._stirred.wait()
        items = self._state.items_started
        if not (self._more or self._work) and items >= LARGE_MAP:
            # Items end all the time: one look at many of them costs as much as one at a few.
            await sleep_unless(self._leaving, self._engine.clock, item_wake_delay(items))
        self._stirred.clear()
        for event in self._work.collect():
            self._writer.append(await lightened(event, self._put))
