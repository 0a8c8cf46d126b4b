"""The gRPC servicer of `ToolService`: translates, calls, answers. Decisions are elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, NotFound, PermissionDenied
from quarterdeck.common.identity import current_call
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.calls import Calls
from quarterdeck.mcp.catalog import Effect, Tool
from quarterdeck.mcp.constants import DEATH_TIMEOUT, LIST_WAIT, MAX_ARGUMENTS, MAX_SEALED
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.flights import Key
from quarterdeck.mcp.incarnation import is_dead
from quarterdeck.mcp.outcome import Outcome, Status
from quarterdeck.mcp.policy import always_denied
from quarterdeck.mcp.readiness import Readiness
from quarterdeck.mcp.servers import Servers
from quarterdeck.mcp.toolserver import ToolServer
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

RUNTIME = "agent-runtime"
_LOOK_AGAIN = 0.02
_EFFECTS = {
    Effect.READ_ONLY: tools_pb2.TOOL_EFFECT_READ_ONLY,
    Effect.IDEMPOTENT: tools_pb2.TOOL_EFFECT_IDEMPOTENT,
    Effect.WRITE: tools_pb2.TOOL_EFFECT_WRITE,
}


class ToolServicer(tools_pb2_grpc.ToolServiceServicer):
    """Serves `ToolService`.

    Args:
        tenants: resolves tenants.
        servers: the tool servers.
        calls: the calls.
        readiness: says when the policies are known.
        locks: where server processes leave a sign of life, see `incarnation.py`.
    """

    def __init__(
        self, tenants: TenantDirectory, servers: Servers, calls: Calls, readiness: Readiness, locks: Path
    ) -> None:
        self._tenants = tenants
        self._servers = servers
        self._calls = calls
        self._readiness = readiness
        self._locks = locks

    async def ListTools(
        self, request: tools_pb2.ListToolsRequest, context: Any
    ) -> tools_pb2.ListToolsResponse:
        """Lists what may be called; servers that are not up yet are started.

        A tool that a policy denies to everybody, whatever the arguments, is left out.
        """
        await self._tenants.resolve(request.tenant)
        await self._readiness.wait()
        rules = self._servers.rules(request.tenant)
        response = tools_pb2.ListToolsResponse()
        for server, tools in await asyncio.gather(*map(_ready_tools, self._wanted(request))):
            if isinstance(tools, NotSent):
                response.unavailable.append(f"{server.definition.name}: {tools}")
            else:
                name = server.definition.name
                allowed = (t for t in tools.values() if not always_denied(rules, f"{name}/{t.name}"))
                response.tools.extend(_tool(server, tool) for tool in allowed)
        return response

    def _wanted(self, request: tools_pb2.ListToolsRequest) -> list[ToolServer]:
        if not request.server:
            return self._servers.of_tenant(request.tenant)
        server = self._servers.find(request.tenant, request.server)
        if server is None:
            message = f"tenant {request.tenant!r} has no MCPServer {request.server!r}"
            raise NotFound(message, field="server", hint="apply it, or look for a typing error")
        return [server]

    async def CallTool(self, request: tools_pb2.CallToolRequest, context: Any) -> tools_pb2.ToolOutcome:
        """Calls a tool once per call id. The call goes on if the client leaves."""
        call = await self._call(request)
        await self._readiness.wait()
        outcome = await self._calls.call(call)
        if outcome.status is Status.UNCERTAIN:
            await self._wait_until_over(outcome)
        return self._outcome(call.call_id, outcome)

    async def _wait_until_over(self, outcome: Outcome) -> None:
        """Gives the server process that was asked a little time to end: only then can a check say more."""
        until = time.monotonic() + DEATH_TIMEOUT
        # Asked again and again, because the end of another process's lock is no event of this loop.
        while outcome.incarnation and not self._is_over(outcome) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN)

    async def _call(self, request: tools_pb2.CallToolRequest) -> Call:
        for field in ("call_id", "server", "tool"):
            if not getattr(request, field):
                raise InvalidArgument(f"{field} is required", field=field)
        caller = current_call()
        if request.approval_id and caller.service != RUNTIME:
            message = f"approvals are held by {RUNTIME}; {caller.service} cannot pass one on"
            raise PermissionDenied(message, reason="ApprovalNotHeld")
        arguments = _arguments(request.arguments_json)
        inside = caller.service == RUNTIME
        principal = caller.principal.subject
        return Call(
            tenant=request.tenant,
            tenant_id=await self._tenant_id(request.tenant, request.server),
            call_id=request.call_id,
            server=request.server,
            tool=request.tool,
            arguments=arguments,
            size=len(request.arguments_json),
            arguments_hash=codec.digest(arguments),
            principal=principal,
            timeout=request.timeout_seconds,
            session=request.tool_session or request.run_id or f"principal:{principal}",
            run=caller.run.run_id if caller.run else "",
            agent=request.agent if inside else "",
            workflow=request.workflow if inside else "",
            cost=request.cost_micro_usd / 1e6 if inside else 0.0,
            approval_id=request.approval_id,
            approved_hash=request.approved_arguments_hash.removeprefix("sha256:"),
        )

    async def _tenant_id(self, tenant: str, server: str) -> str:
        """The tenant's id; a server that is known tells it without a question to the registry."""
        known = self._servers.find(tenant, server)
        return known.definition.tenant_id if known else (await self._tenants.resolve(tenant)).id

    async def GetCall(self, request: tools_pb2.GetCallRequest, context: Any) -> tools_pb2.CallRecord:
        """Says what is known about a call id."""
        key = await self._key(request.tenant, request.call_id)
        if self._calls.flight(key) is not None:
            return self._in_flight(request.call_id)
        return self._record(request.call_id, await self._calls.outcome(key))

    async def CancelCall(self, request: tools_pb2.CancelCallRequest, context: Any) -> tools_pb2.CallRecord:
        """Asks a call to stop and waits for what became of it."""
        key = await self._key(request.tenant, request.call_id)
        return self._record(request.call_id, await self._calls.cancel(key))

    async def SealCalls(
        self, request: tools_pb2.SealCallsRequest, context: Any
    ) -> tools_pb2.SealCallsResponse:
        """Closes call ids for good."""
        if len(request.call_ids) > MAX_SEALED:
            message = f"{len(request.call_ids)} ids; at most {MAX_SEALED:,} at once"
            raise InvalidArgument(message, field="call_ids")
        response = tools_pb2.SealCallsResponse()
        for call_id in request.call_ids:
            key = await self._key(request.tenant, call_id)
            outcome = await self._calls.seal(key)
            record = self._in_flight(call_id) if outcome is None else self._record(call_id, outcome)
            response.records.append(record)
        return response

    async def WatchCall(
        self, request: tools_pb2.WatchCallRequest, context: Any
    ) -> AsyncIterator[tools_pb2.CallProgress]:
        """Streams a call's progress until it ends; ends at once for a call that is not under way."""
        flight = self._calls.flight(await self._key(request.tenant, request.call_id))
        if flight is None:
            return
        async for notice in flight.watch():
            yield tools_pb2.CallProgress(
                call_id=request.call_id,
                progress=notice.progress,
                total=notice.total or 0.0,
                message=notice.message,
            )

    async def _key(self, tenant: str, call_id: str) -> Key:
        if not call_id:
            raise InvalidArgument("call_id is required", field="call_id")
        return (await self._tenants.resolve(tenant)).id, call_id

    def _in_flight(self, call_id: str) -> tools_pb2.CallRecord:
        return tools_pb2.CallRecord(call_id=call_id, state=tools_pb2.CallRecord.STATE_IN_FLIGHT)

    def _record(self, call_id: str, outcome: Outcome | None) -> tools_pb2.CallRecord:
        states = tools_pb2.CallRecord
        if outcome is None:
            return tools_pb2.CallRecord(call_id=call_id, state=states.STATE_UNKNOWN_ID)
        uncertain = outcome.status is Status.UNCERTAIN
        return tools_pb2.CallRecord(
            call_id=call_id,
            state=states.STATE_UNCERTAIN if uncertain else states.STATE_DONE,
            outcome=self._outcome(call_id, outcome),
            server_dead=self._is_over(outcome),
        )

    def _outcome(self, call_id: str, outcome: Outcome) -> tools_pb2.ToolOutcome:
        return tools_pb2.ToolOutcome(
            call_id=call_id,
            status=tools_pb2.ToolOutcome.Status.Value(f"STATUS_{outcome.status.value}"),
            result_json=outcome.value_json,
            artifact=outcome.artifact,
            artifact_size=outcome.artifact_size,
            message=outcome.message,
            policy=outcome.policy,
            approval_policy=outcome.approval_policy,
            duration_ms=outcome.seconds * 1000,
            server_dead=outcome.status is Status.UNCERTAIN and self._is_over(outcome),
            replayed=outcome.replayed,
            missing=outcome.missing,
            retry_after_seconds=outcome.retry_after,
        )

    def _is_over(self, outcome: Outcome) -> bool:
        """Whether nothing of the call can still happen: its server answered, or is gone."""
        if outcome.answered:
            return True
        return bool(outcome.incarnation) and is_dead(self._locks, outcome.incarnation)


async def _ready_tools(server: ToolServer) -> tuple[ToolServer, Mapping[str, Tool] | NotSent]:
    try:
        return server, await server.ready_tools(LIST_WAIT)
    except NotSent as error:
        return server, error


def _arguments(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_ARGUMENTS:
        message = f"the arguments have {len(data):,} bytes; at most {MAX_ARGUMENTS:,} are taken"
        raise InvalidArgument(message, field="arguments_json", hint="hand large data over as an artifact")
    arguments = codec.loads_field(data, "arguments_json")
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise InvalidArgument("must be a JSON object", field="arguments_json")
    return arguments


def _tool(server: ToolServer, tool: Tool) -> tools_pb2.Tool:
    return tools_pb2.Tool(
        server=server.definition.name,
        name=tool.name,
        description=tool.description,
        input_schema_json=codec.dumps(tool.input_schema),
        output_schema_json=b"" if tool.output_schema is None else codec.dumps(tool.output_schema),
        effect=_EFFECTS[tool.effect],
        pin=tool.pin,
        on_uncertain=tool.on_uncertain,
        check_json=b"" if tool.check is None else codec.dumps(tool.check),
        timeout_seconds=tool.timeout,
    )
