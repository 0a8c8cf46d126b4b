"""What stands before the tools: the servers' rules and the policies, decided by mcp-manager's own code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quarterdeck.cli.testing.project import Project
from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Effect, Tool, read_tools
from quarterdeck.mcp.definition import Definition, read_definition
from quarterdeck.mcp.gate import refuse_by_policy
from quarterdeck.mcp.outcome import Outcome
from quarterdeck.mcp.policy import Rule
from quarterdeck.mcp.rules import read_rules
from quarterdeck.v1 import tools_pb2

Status = tools_pb2.ToolOutcome.Status
_EFFECTS = {
    Effect.READ_ONLY: tools_pb2.TOOL_EFFECT_READ_ONLY,
    Effect.IDEMPOTENT: tools_pb2.TOOL_EFFECT_IDEMPOTENT,
    Effect.WRITE: tools_pb2.TOOL_EFFECT_WRITE,
}


class ToolGate:
    """Lets calls through, or says why not.

    Args:
        named: tools that a case names, by server; others are known from the manifests.
    """

    def __init__(self, project: Project, named: Mapping[str, Iterable[str]], clock: Clock) -> None:
        self._clock = clock
        self._servers = {w.name: read_definition(w) for w in project.watched("MCPServer")}
        self._rules: list[Rule] = [
            rule
            for kind in ("Policy", "PlatformPolicy")
            for watched in project.watched(kind)
            for rule in read_rules(watched)
        ]
        mentioned = project.tools_named()
        self._tools = {
            name: _tools(server, {*mentioned.get(name, ()), *named.get(name, ())})
            for name, server in self._servers.items()
        }

    def listed(self) -> dict[str, list[tools_pb2.Tool]]:
        """Returns the tools that each server lists."""
        return {
            name: [_message(name, tool) for tool in tools.values()] for name, tools in self._tools.items()
        }

    def limits(self) -> dict[str, float]:
        """Returns how long a call of each server may take, in seconds."""
        return {name: server.call_timeout for name, server in self._servers.items()}

    def __call__(self, request: tools_pb2.CallToolRequest) -> tools_pb2.ToolOutcome | None:
        """Returns the outcome of a call that is not made, None for one that is."""
        server = self._servers[request.server]
        if server.refusal:
            return _denied(f"server {request.server!r}: {server.refusal}")
        tool = self._tools[request.server].get(request.tool)
        if tool is None:
            name = f"{request.server}/{request.tool}"
            return _denied(f"{name} is not among spec.allowedTools of its MCPServer")
        refused = refuse_by_policy(_call(request), tool, self._rules, self._clock.now())
        return None if refused is None else _outcome(refused)


def _tools(server: Definition, mentioned: set[str]) -> dict[str, Tool]:
    names = sorted({*server.rules, *(server.allowed or ()), *mentioned})
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
    return read_tools(listed, server.allowed, server.rules, server.trust_annotations)


def _call(request: tools_pb2.CallToolRequest) -> Call:
    arguments = codec.loads(request.arguments_json)
    return Call(
        tenant=request.tenant,
        tenant_id="",
        call_id=request.call_id,
        server=request.server,
        tool=request.tool,
        arguments=arguments,
        size=len(request.arguments_json),
        arguments_hash=codec.digest(arguments),
        principal=request.principal,
        run=request.run_id,
        agent=request.agent,
        workflow=request.workflow,
        cost=request.cost_micro_usd / 1e6,
        approval_id=request.approval_id,
        approved_hash=request.approved_arguments_hash.removeprefix("sha256:"),
    )


def _denied(message: str) -> tools_pb2.ToolOutcome:
    return tools_pb2.ToolOutcome(status=Status.STATUS_DENIED, message=message)


def _outcome(refused: Outcome) -> tools_pb2.ToolOutcome:
    return tools_pb2.ToolOutcome(
        status=Status.Value(f"STATUS_{refused.status.value}"),
        message=refused.message,
        policy=refused.policy,
        approval_policy=refused.approval_policy,
    )


def _message(server: str, tool: Tool) -> tools_pb2.Tool:
    return tools_pb2.Tool(
        server=server,
        name=tool.name,
        description=tool.description,
        input_schema_json=codec.dumps(tool.input_schema),
        effect=_EFFECTS[tool.effect],
        on_uncertain=tool.on_uncertain,
        check_json=b"" if tool.check is None else codec.dumps(tool.check),
        timeout_seconds=tool.timeout,
    )
