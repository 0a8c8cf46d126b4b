"""Calling a tool once per call id, whatever dies in between.

A write is recorded twice: its intent, durably, before it is sent, and its outcome after. A repeat under the
same id joins the call under way or gets the recorded outcome; after a restart, an intent without an outcome
means that nobody can say what happened, and the answer is UNCERTAIN. What to do about it is the runtime's
business. Read-only calls, by the author's word, leave no durable record: repeating one changes nothing, and
two commits would take longer than most of them do; their outcomes are kept in memory for a while.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.mcp import store
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Effect, Tool
from quarterdeck.mcp.constants import START_TIMEOUT
from quarterdeck.mcp.flights import Flight, Key, RecentOutcomes, require_same
from quarterdeck.mcp.gate import admit, unavailable
from quarterdeck.mcp.metrics import CallMetrics
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.outcome import Outcome, Status, unanswerable
from quarterdeck.mcp.servers import Servers
from quarterdeck.mcp.session import CallFailed, NotSent, Reply, Session, TimedOut, Unusable
from quarterdeck.mcp.toolserver import ToolServer

# Outcomes of calls that were sent, and which therefore stay what they are.
_FINAL = frozenset({Status.OK, Status.TOOL_ERROR, Status.UNCERTAIN, Status.TIMEOUT, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class CallParts:
    """What calls need: the tool servers, and where things are kept."""

    servers: Servers
    database: Database
    artifacts: ArtifactStore
    offload: Offload
    clock: Clock
    telemetry: Telemetry
    metrics: CallMetrics


class Calls:
    """All calls of this manager."""

    def __init__(self, parts: CallParts) -> None:
        self._parts = parts
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
        assert flight.task is not None
        return await asyncio.shield(flight.task)

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
            outcome = await self._run(flight)
            if not outcome.replayed:
                self._note(call, outcome)
            return outcome
        finally:
            del self._flights[call.key]

    def _note(self, call: Call, outcome: Outcome) -> None:
        if outcome.status in _FINAL:
            self._recent.add(call, outcome)
        self._parts.metrics.note(call.server, outcome)
        if outcome.status is Status.UNCERTAIN:
            which = {"tenant": call.tenant, "run": call.run, "call_id": call.call_id}
            where = f"{call.server}/{call.tool}"
            self._parts.telemetry.log.warning("call.uncertain", tool=where, reason=outcome.message, **which)

    async def _run(self, flight: Flight) -> Outcome:
        call = flight.call
        try:
            server = self._parts.servers.find(call.tenant, call.server)
            recorded = None if _is_read_only(server, call.tool) else await self.recorded(call.key)
            if recorded is not None:
                return _replay(call, recorded)
            if server is None:
                return unavailable(call, "there is no such MCPServer in this tenant; apply it first")
            rules = self._parts.servers.rules(call.tenant)
            tool = await admit(call, server, rules, self._parts.offload, self._parts.clock.now())
            if isinstance(tool, Outcome):
                return tool
            with self._parts.telemetry.span(f"execute_tool {call.tool}", **_attributes(call)):
                return await self._perform(flight, server, tool)
        except asyncio.CancelledError:
            if not flight.cancelled:
                raise
            _uncancel()
            await self._parts.database.write(store.withdraw, *call.key)
            return Outcome(Status.CANCELLED, message="cancelled before it was sent")

    async def _perform(self, flight: Flight, server: ToolServer, tool: Tool) -> Outcome:
        call = flight.call
        try:
            async with server.lease(call.session or call.call_id, START_TIMEOUT) as session:
                if tool.effect is not Effect.READ_ONLY:
                    known = await self._begin(call, session.incarnation)
                    if known is not None:
                        return known
                outcome = await self._send(flight, server, tool, session)
        except NotSent as error:
            await self._withdraw(call, tool)
            return unavailable(call, str(error))
        if tool.effect is not Effect.READ_ONLY:
            await self._finish(call, outcome)
        return outcome

    async def _send(self, flight: Flight, server: ToolServer, tool: Tool, session: Session) -> Outcome:
        call = flight.call
        longest = tool.timeout or server.definition.call_timeout
        timeout = min(call.timeout or longest, longest)
        flight.sent = True
        try:
            reply = await session.call(call.tool, call.arguments, timeout, flight.note)
            return await self._outcome(call, server, tool, reply, session.incarnation)
        except NotSent:
            _retire_if_remote(server, session)
            raise
        except CallFailed as error:
            _look_after(server, session, tool, error)
            return unanswerable(tool.effect, error, session.incarnation)
        except asyncio.CancelledError:
            if not flight.cancelled:
                raise
            _uncancel()
            return _cancelled(server, tool, session)

    async def _outcome(
        self, call: Call, server: ToolServer, tool: Tool, reply: Reply, incarnation: str
    ) -> Outcome:
        """Reads a tool's answer. Raises Unusable if it cannot be taken."""
        status = Status.TOOL_ERROR if reply.is_error else Status.OK
        if not reply.is_error:
            await self._check_result(tool, reply)
        outcome = Outcome(
            status, message=reply.text, seconds=reply.seconds, answered=True, incarnation=incarnation
        )
        size = len(reply.value_json)
        if size <= server.definition.result_bytes:
            return replace(outcome, value_json=reply.value_json)
        try:
            digest = await self._parts.artifacts.put(call.tenant_id, reply.value_json)
        except QuarterdeckError as error:
            raise Unusable(f"the result of {size:,} bytes cannot be stored: {error.message}") from error
        return replace(outcome, artifact=digest, artifact_size=size)

    async def _check_result(self, tool: Tool, reply: Reply) -> None:
        problem = reply.problem
        if reply.value is not None:
            problem = await tool.result_problem(reply.value, len(reply.value_json), self._parts.offload)
        if problem is not None:
            where = f"result.{problem.path}" if problem.path else "result"
            raise Unusable(f"the result does not fit the tool's output schema: {where}: {problem.message}")

    # Records.

    async def recorded(self, key: Key) -> store.Recorded | None:
        """Returns what is durably recorded about a call id."""
        return await self._parts.database.read(store.find, *key)

    async def _begin(self, call: Call, incarnation: str) -> Outcome | None:
        """Records the intent; returns the outcome of a call that must not be sent."""
        intent = store.Intent(
            tenant_id=call.tenant_id,
            call_id=call.call_id,
            server=call.server,
            tool=call.tool,
            arguments_hash=call.arguments_hash,
            run_id=call.run,
            approval_id=call.approval_id if call.approved else None,
            incarnation=incarnation,
            started_at=self._parts.clock.now(),
        )
        try:
            recorded = await self._parts.database.write(store.begin, intent)
        except store.ApprovalSpent as error:
            return Outcome(Status.DENIED, message=f"{error}; ask for a new one")
        except Unavailable as error:
            return unavailable(call, f"the intent cannot be recorded: {error.message}")
        return None if recorded is None else _replay(call, recorded)

    async def _finish(self, call: Call, outcome: Outcome) -> None:
        now = self._parts.clock.now()
        try:
            await self._parts.database.write(store.finish, call.tenant_id, call.call_id, outcome, now)
        except Unavailable as error:
            # The caller still learns the outcome; without its record a restart makes it uncertain.
            log = self._parts.telemetry.log
            log.error("call.outcome_not_recorded", call_id=call.call_id, reason=error.message)

    async def _withdraw(self, call: Call, tool: Tool) -> None:
        if tool.effect is not Effect.READ_ONLY:
            await self._parts.database.write(store.withdraw, call.tenant_id, call.call_id)

    # Asking about calls.

    def flight(self, key: Key) -> Flight | None:
        """Returns the call under way with that id."""
        return self._flights.get(key)

    async def outcome(self, key: Key) -> Outcome | None:
        """Returns what became of a call that is over: UNCERTAIN for a bare intent, None if unknown."""
        recent = self._recent.find(key)
        if recent is not None:
            return recent[1]
        recorded = await self.recorded(key)
        return None if recorded is None else _outcome_of(recorded)

    async def cancel(self, key: Key) -> Outcome | None:
        """Asks a call to stop and waits for what became of it."""
        flight = self._flights.get(key)
        if flight is None or flight.task is None:
            return await self.outcome(key)
        flight.cancel()
        return await asyncio.shield(flight.task)

    async def drain(self, seconds: float) -> None:
        """Takes no further calls and lets those under way end for at most `seconds`."""
        self._draining = True
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


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


def _is_read_only(server: ToolServer | None, tool: str) -> bool:
    known = None if server is None else server.tools.get(tool)
    return known is not None and known.effect is Effect.READ_ONLY


def _replay(call: Call, recorded: store.Recorded) -> Outcome:
    require_same(call, recorded.server, recorded.tool, recorded.arguments_hash)
    return replace(_outcome_of(recorded), replayed=True)


def _outcome_of(recorded: store.Recorded) -> Outcome:
    if recorded.outcome is not None:
        return recorded.outcome
    message = "the platform ended while the call was under way; what became of it is not known"
    return Outcome(Status.UNCERTAIN, message=message, incarnation=recorded.incarnation)


def _look_after(server: ToolServer, session: Session, tool: Tool, error: CallFailed) -> None:
    """Ends a session after a write that never came back, since only then can it do nothing any more."""
    if not isinstance(error, TimedOut):
        _retire_if_remote(server, session)
    elif tool.effect is Effect.WRITE:
        server.retire(session)
    else:
        server.suspect(session)


def _retire_if_remote(server: ToolServer, session: Session) -> None:
    """A remote session that failed may be one the server has forgotten; a local one tells by ending."""
    if not session.incarnation:
        server.retire(session)


def _cancelled(server: ToolServer, tool: Tool, session: Session) -> Outcome:
    if tool.effect is not Effect.WRITE:
        return Outcome(Status.CANCELLED, message="cancelled")
    server.retire(session)
    message = "cancelled after it was sent; what became of it is not known"
    return Outcome(Status.UNCERTAIN, message=message, incarnation=session.incarnation)


def _uncancel() -> None:
    """Goes on after a cancellation that was ours to handle."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
