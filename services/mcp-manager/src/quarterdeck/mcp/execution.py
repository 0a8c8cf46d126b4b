"""Making one call: the gate, a session, the intent, the server, the outcome, in this order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Effect, Tool
from quarterdeck.mcp.constants import ANOTHER_POD_WITHIN, START_TIMEOUT
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.failures import CallFailed, NotSent, TimedOut, Unusable
from quarterdeck.mcp.flights import Flight
from quarterdeck.mcp.gate import admit
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.outcome import Outcome, Status, not_sent, over_rate, unanswerable
from quarterdeck.mcp.records import Records
from quarterdeck.mcp.result_cache import ResultCache
from quarterdeck.mcp.servers import Servers
from quarterdeck.mcp.session import Reply, Session
from quarterdeck.mcp.toolserver import ToolServer

_ANOTHER_POD_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Executor:
    """Makes calls. What it needs: the servers, the records, where large things go, the time."""

    servers: Servers
    records: Records
    artifacts: ArtifactStore
    offload: Offload
    clock: Clock
    cache: ResultCache

    async def execute(self, flight: Flight) -> Outcome:
        """Checks a call and makes it."""
        call = flight.call
        server = self.servers.find(call.tenant, call.server)
        if server is None:
            reason = "there is no such MCPServer in this tenant; apply it first"
            return not_sent(call.server, reason, "server")
        rules = self.servers.rules(call.tenant)
        tool = await admit(call, server, rules, self.offload, self.clock.now())
        if isinstance(tool, Outcome):
            return tool
        definition = server.definition
        kept = await self.cache.find(call, definition, tool)
        if kept is not None:
            return kept
        wait = server.rates.take(tool.name, definition.per_minute, tool.per_minute, self.clock.now())
        if wait:
            return over_rate(call.server, call.tool, wait)
        outcome = await self._lease_and_make(flight, server, tool)
        await self.cache.keep(call, definition, tool, outcome)
        return outcome

    async def _lease_and_make(self, flight: Flight, server: ToolServer, tool: Tool) -> Outcome:
        """Makes a call; one that a pod did not take, because it is going, is taken to another."""
        call, until = flight.call, time.monotonic() + ANOTHER_POD_WITHIN
        while True:
            try:
                async with server.lease(call.session or call.call_id, START_TIMEOUT) as session:
                    return await self._make(flight, server, tool, session)
            except NotSent as error:
                await self.records.withdraw(flight)
                if not isinstance(server.definition.where, Pods) or time.monotonic() > until:
                    return not_sent(call.server, str(error))
                await asyncio.sleep(_ANOTHER_POD_PAUSE)

    def is_read_only(self, call: Call) -> bool:
        """Whether the tool is known to change nothing, by the author's word."""
        server = self.servers.find(call.tenant, call.server)
        tool = None if server is None else server.tools.get(call.tool)
        return tool is not None and tool.effect is Effect.READ_ONLY

    async def _make(self, flight: Flight, server: ToolServer, tool: Tool, session: Session) -> Outcome:
        if tool.effect is Effect.READ_ONLY:
            return await self._send(flight, server, tool, session)
        refused = await self.records.begin(flight, session.incarnation)
        if refused is not None:
            return refused
        outcome = await self._send(flight, server, tool, session)
        await self.records.finish(flight.call, outcome)
        return outcome

    async def _send(self, flight: Flight, server: ToolServer, tool: Tool, session: Session) -> Outcome:
        call = flight.call
        longest = tool.timeout or server.definition.call_timeout
        try:
            timeout = min(call.timeout or longest, longest)
            reply = await session.call(call.tool, call.arguments, timeout, flight.note)
            return await self._outcome(call, server, tool, reply, session.incarnation)
        except CallFailed as error:
            _look_after(server, session, tool, error)
            if isinstance(error, NotSent):
                raise
            return unanswerable(tool.effect, error, session.incarnation)
        except asyncio.CancelledError:
            if not flight.accept_cancellation():
                raise
            return _cancelled(server, tool, session)

    async def _outcome(
        self, call: Call, server: ToolServer, tool: Tool, reply: Reply, incarnation: str
    ) -> Outcome:
        """Reads a tool's answer. Raises Unusable if it cannot be taken."""
        status = Status.TOOL_ERROR if reply.is_error else Status.OK
        if not reply.is_error:
            await self._check_result(tool, reply)
        seconds, size = reply.seconds, len(reply.value_json)
        outcome = Outcome(status, b"", message=reply.text, seconds=seconds, answered=True)
        outcome = replace(outcome, incarnation=incarnation)
        if size <= server.definition.result_bytes:
            return replace(outcome, value_json=reply.value_json)
        try:
            digest = await self.artifacts.put(call.tenant_id, reply.value_json)
        except QuarterdeckError as error:
            raise Unusable(f"the result of {size:,} bytes cannot be stored: {error.message}") from error
        return replace(outcome, artifact=digest, artifact_size=size)

    async def _check_result(self, tool: Tool, reply: Reply) -> None:
        problem = reply.problem
        if reply.value is not None:
            problem = await tool.result_problem(reply.value, len(reply.value_json), self.offload)
        if problem is not None:
            where = f"result.{problem.path}" if problem.path else "result"
            raise Unusable(f"the result does not fit the tool's output schema: {where}: {problem.message}")


def _look_after(server: ToolServer, session: Session, tool: Tool, error: CallFailed) -> None:
    """Decides about a session after a call on it failed.

    After a write that never came back it is ended, since only then can it do nothing any more. A remote one
    that failed may be one that its server has forgotten; a local one tells by ending.
    """
    if isinstance(error, TimedOut) and tool.effect is Effect.WRITE:
        server.retire(session)
    elif isinstance(error, TimedOut):
        server.suspect(session)
    elif not session.incarnation:
        server.retire(session)


def _cancelled(server: ToolServer, tool: Tool, session: Session) -> Outcome:
    if tool.effect is not Effect.WRITE:
        return Outcome(Status.CANCELLED, message="cancelled")
    server.retire(session)
    message = "cancelled after it was sent; what became of it is not known"
    return Outcome(Status.UNCERTAIN, message=message, incarnation=session.incarnation)
