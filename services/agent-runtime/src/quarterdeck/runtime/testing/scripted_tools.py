"""Tools whose answers are written down, behind the interface of mcp-manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.testing.matching import fits
from quarterdeck.runtime.testing.scripts import Script
from quarterdeck.runtime.testing.virtual_time import VirtualClock
from quarterdeck.v1 import tools_pb2

Status = tools_pb2.ToolOutcome.Status
# Says what becomes of a call before it is sent; None lets it through.
Gate = Callable[[tools_pb2.CallToolRequest], tools_pb2.ToolOutcome | None]
# Refusals for want of a server after which waiting for it is of no use.
STUCK_AFTER = 3


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool answers.

    Args:
        arguments: what a call must hold at least; None: any call.
        outcome: the answer; without a call id.
        takes: seconds until it comes.
    """

    server: str
    tool: str
    outcome: tools_pb2.ToolOutcome
    arguments: Mapping[str, Any] | None = None
    takes: float = 0.0

    def fits(self, server: str, tool: str, arguments: Any) -> bool:
        """True if it answers such a call."""
        if (self.server, self.tool) != (server, tool):
            return False
        return self.arguments is None or fits(self.arguments, arguments)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that reached its tool."""

    server: str
    tool: str
    arguments: Any
    run_id: str


@dataclass(slots=True)
class ScriptedTools:
    """The part of `ToolService` that the runtime uses.

    Args:
        tools: what each server lists.
        gate: what stands before the tools, such as policies.
        limits: seconds that a call of a server may take when neither call nor tool say.
    """

    clock: VirtualClock
    script: Script[ToolAnswer]
    tools: Mapping[str, Sequence[tools_pb2.Tool]]
    gate: Gate = lambda _request: None
    limits: Mapping[str, float] = field(default_factory=dict)
    calls: list[ToolCall] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _unavailable: int = 0

    def is_stuck(self) -> bool:
        """True when a tool is not there and never will be."""
        return self._unavailable >= STUCK_AFTER

    async def ListTools(self, request: tools_pb2.ListToolsRequest) -> tools_pb2.ListToolsResponse:
        """Lists a server's tools."""
        if request.server not in self.tools:
            self.problems.append(f"there is no MCPServer {request.server!r} among the manifests")
            return tools_pb2.ListToolsResponse(unavailable=[f"{request.server}: it is not there"])
        return tools_pb2.ListToolsResponse(tools=self.tools[request.server])

    async def CallTool(self, request: tools_pb2.CallToolRequest) -> tools_pb2.ToolOutcome:
        """Answers a call, if the gate lets it through."""
        refused = self._not_there(request) or self.gate(request)
        if refused is not None:
            return refused
        arguments = codec.loads(request.arguments_json)
        self.calls.append(ToolCall(request.server, request.tool, arguments, request.run_id))

        def wanted(answer: ToolAnswer) -> bool:
            return answer.fits(request.server, request.tool, arguments)

        repeated = self.script.is_repeated(wanted)
        answer = self.script.next(wanted)
        if answer is None:
            return self._unanswered(request)
        unavailable = answer.outcome.status == Status.STATUS_UNAVAILABLE and repeated
        self._unavailable = self._unavailable + 1 if unavailable else 0
        return await self._in_time(request, answer)

    def _not_there(self, request: tools_pb2.CallToolRequest) -> tools_pb2.ToolOutcome | None:
        if request.server in self.tools:
            return None
        self.problems.append(f"there is no MCPServer {request.server!r} among the manifests")
        return tools_pb2.ToolOutcome(status=Status.STATUS_UNAVAILABLE, message=self.problems[-1])

    def _unanswered(self, request: tools_pb2.CallToolRequest) -> tools_pb2.ToolOutcome:
        name, arguments = f"{request.server}/{request.tool}", request.arguments_json.decode()
        self.problems.append(f"no answer is left or fits this call of {name}: {arguments}")
        return tools_pb2.ToolOutcome(status=Status.STATUS_TOOL_ERROR, message=self.problems[-1])

    async def _in_time(self, request: tools_pb2.CallToolRequest, answer: ToolAnswer) -> tools_pb2.ToolOutcome:
        """Returns the answer when its time has come; one that takes too long is a time-out instead."""
        tool = next((t for t in self.tools[request.server] if t.name == request.tool), tools_pb2.Tool())
        limit = request.timeout_seconds or tool.timeout_seconds or self.limits.get(request.server, 0)
        if not limit or answer.takes <= limit:
            await self.clock.sleep(answer.takes)
            return answer.outcome
        await self.clock.sleep(limit)
        writes = tool.effect not in (tools_pb2.TOOL_EFFECT_READ_ONLY, tools_pb2.TOOL_EFFECT_IDEMPOTENT)
        status = Status.STATUS_UNCERTAIN if writes else Status.STATUS_TIMEOUT
        return tools_pb2.ToolOutcome(status=status, message=f"no answer within {limit:g} s")
