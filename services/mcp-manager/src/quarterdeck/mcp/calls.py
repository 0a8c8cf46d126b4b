"""Calling a tool once per call id, whatever dies in between.

A write is recorded twice: its intent, durably, before it is sent, and its outcome after. A repeat under the
same id joins the call under way or gets the recorded outcome; after a restart, an intent without an outcome
means that nobody can say what happened, and the answer is UNCERTAIN. What to do about it is the runtime's
business. A run's call that was refused is recorded as well, so that an id that was answered stays answered: a
worker that has lost the run and asks late gets the same answer. Read-only calls, by the author's word, leave
no durable record: repeating one changes nothing, and two commits would take longer than most of them do;
their outcomes are kept in memory for a while.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.execution import Executor
from quarterdeck.mcp.flights import Flight, Key, RecentOutcomes, require_same
from quarterdeck.mcp.metrics import CallMetrics
from quarterdeck.mcp.outcome import FINAL, Outcome, Status
from quarterdeck.mcp.records import Records, outcome_of, replayed


class Calls:
    """All calls of this manager.

    Args:
        executor: makes a call.
        records: durable records.
        telemetry: log and spans.
    """

    def __init__(self, executor: Executor, records: Records, telemetry: Telemetry) -> None:
        self._executor = executor
        self._records = records
        self._telemetry = telemetry
        self._metrics = CallMetrics(telemetry.registry)
        self._flights: dict[Key, Flight] = {}
        self._recent = RecentOutcomes()
        self._draining = False

    async def call(self, call: Call) -> Outcome:
        """Makes the call, joins it, or returns what became of it.

        Cancelling this coroutine leaves the call running: the caller may be gone for good, but the next one
        will ask for the outcome.

        Raises:
            InvalidArgument: the call id was used for another call.
            Unavailable: the manager is shutting down.
        """
        flight = self._flights.get(call.key)
        if flight is None:
            known = self._recent.find(call.key)
            if known is not None:
                require_same(call, known[0].server, known[0].tool, known[0].arguments_hash)
                return replace(known[1], replayed=True)
            flight = self._take_off(call)
        else:
            require_same(call, flight.call.server, flight.call.tool, flight.call.arguments_hash)
        return await _end_of(flight)

    def _take_off(self, call: Call) -> Flight:
        if self._draining:
            raise Unavailable("tool calls are not taken while the service shuts down", retry_after=1.0)
        flight = Flight(call)
        self._flights[call.key] = flight
        flight.task = asyncio.create_task(self._fly(flight))
        return flight

    async def _fly(self, flight: Flight) -> Outcome:
        call = flight.call
        try:
            with self._telemetry.span(f"execute_tool {call.tool}", **_attributes(call)):
                outcome = await self._run(flight)
            if not outcome.replayed:
                self._note(call, outcome)
            return outcome
        finally:
            del self._flights[call.key]

    async def _run(self, flight: Flight) -> Outcome:
        call = flight.call
        try:
            outcome = await self._executor.execute(flight)
            if outcome.status in FINAL or self._executor.is_read_only(call):
                return outcome
            # It was not sent now, but it may have been before the server or a policy became what it is.
            if call.run and not outcome.retry_after:
                return await self._records.refuse(call, outcome)
            recorded = await self._records.find(call.key)
            return outcome if recorded is None else replayed(call, recorded)
        except asyncio.CancelledError:
            if not flight.accept_cancellation():
                raise
            await self._records.withdraw(flight)
            outcome = Outcome(Status.CANCELLED, message="cancelled before it was sent")
            return await self._records.refuse(call, outcome) if call.run else outcome

    def _note(self, call: Call, outcome: Outcome) -> None:
        if outcome.status in FINAL:
            self._recent.add(call, outcome)
        self._metrics.note(call.server, outcome)
        if outcome.status is Status.UNCERTAIN:
            which = {"tenant": call.tenant, "run": call.run, "call_id": call.call_id}
            where = f"{call.server}/{call.tool}"
            self._telemetry.log.warning("call.uncertain", tool=where, reason=outcome.message, **which)

    def flight(self, key: Key) -> Flight | None:
        """Returns the call under way with that id."""
        return self._flights.get(key)

    async def outcome(self, key: Key) -> Outcome | None:
        """Returns what became of a call that is over: UNCERTAIN for a bare intent, None if unknown."""
        recent = self._recent.find(key)
        if recent is not None:
            return recent[1]
        recorded = await self._records.find(key)
        return None if recorded is None else outcome_of(recorded)

    async def cancel(self, key: Key) -> Outcome | None:
        """Asks a call to stop and waits for what became of it."""
        flight = self._flights.get(key)
        if flight is None:
            return await self.outcome(key)
        flight.cancel()
        return await _end_of(flight)

    async def seal(self, key: Key) -> Outcome | None:
        """Closes a call id; returns what became of the call, None while it is under way."""
        if key in self._flights:
            return None
        recent = self._recent.find(key)
        return await self._records.seal(key) if recent is None else recent[1]

    async def drain(self, seconds: float) -> None:
        """Takes no further calls and lets those under way end for at most `seconds`."""
        self._draining = True
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


async def _end_of(flight: Flight) -> Outcome:
    """Waits for a call without owning it: whoever stops waiting leaves it running."""
    assert flight.task is not None
    await asyncio.wait([flight.task])
    if flight.task.cancelled():
        raise Unavailable("the service shut down while the call was under way", retry_after=1.0)
    return flight.task.result()


def _attributes(call: Call) -> dict[str, str]:
    """A span's attributes by the conventions for generative AI."""
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.call.id": call.call_id,
        "quarterdeck.server": call.server,
        "quarterdeck.tenant": call.tenant,
        "quarterdeck.run": call.run,
    }
