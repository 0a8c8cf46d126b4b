"""The checks before a call is sent: in this order, the first that says no ends it."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Tool
from quarterdeck.mcp.constants import START_TIMEOUT
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.outcome import Outcome, Status, not_sent
from quarterdeck.mcp.policy import Deny, NeedsApproval, Rule, decide
from quarterdeck.mcp.schema import BadSchema
from quarterdeck.mcp.toolserver import ToolServer


async def admit(
    call: Call, server: ToolServer, rules: Iterable[Rule], offload: Offload, now: float
) -> Tool | Outcome:
    """Returns the tool to call, or the outcome of a call that is not made."""
    tool = await find_tool(call, server)
    if isinstance(tool, Outcome):
        return tool
    return await refuse_arguments(call, tool, offload) or refuse_by_policy(call, tool, rules, now) or tool


async def find_tool(call: Call, server: ToolServer) -> Tool | Outcome:
    """Returns the tool if the server has it and it may be called at all."""
    if server.definition.refusal:
        return Outcome(Status.DENIED, message=f"server {call.server!r}: {server.definition.refusal}")
    try:
        tools = await server.ready_tools(START_TIMEOUT)
    except NotSent as error:
        return not_sent(call.server, str(error))
    if call.tool in server.held:
        message = f"{call.server}/{call.tool} changed since it was pinned; accept its new pin first"
        return Outcome(Status.DENIED, message=f"{message}: {tools[call.tool].pin}")
    if call.tool in tools:
        return tools[call.tool]
    if call.tool in server.listed_names:
        message = f"{call.server}/{call.tool} is not among spec.allowedTools of its MCPServer"
        return Outcome(Status.DENIED, message=message)
    known = ", ".join(sorted(tools)[:20]) or "none"
    return not_sent(call.server, f"it has no tool {call.tool!r}; its tools: {known}", "tool")


async def refuse_arguments(call: Call, tool: Tool, offload: Offload) -> Outcome | None:
    """Checks the arguments against the tool's schema."""
    try:
        problem = await tool.argument_problem(call.arguments, call.size, offload)
    except (BadSchema, Unavailable) as error:
        message = f"the input schema of {call.server}/{call.tool} cannot be used: {error}"
        return Outcome(Status.INVALID_ARGUMENTS, message=message)
    if problem is None:
        return None
    where = f"arguments.{problem.path}" if problem.path else "arguments"
    return Outcome(Status.INVALID_ARGUMENTS, message=f"{where}: {problem.message}")


def refuse_by_policy(call: Call, tool: Tool, rules: Iterable[Rule], now: float) -> Outcome | None:
    """Asks the policies. An approval lets through what needs one, never what is denied."""
    match decide(rules, call.facts(tool, now)):
        case Deny(policy, message):
            return Outcome(Status.DENIED, message=message, policy=policy)
        case NeedsApproval(policy, approval, message) if not call.approved:
            return Outcome(Status.NEEDS_APPROVAL, message=message, policy=policy, approval_policy=approval)
    return None
