"""What the model calls: tools, other agents, memories, a person. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import (
    TOOL_ASK_PERSON,
    TOOL_SAVE_MEMORY,
    TOOL_SEARCH_MEMORY,
)
from quarterdeck.runtime.definition import AgentDefinition
from quarterdeck.runtime.planner import lifecycle, recovery
from quarterdeck.runtime.planner.agent_tools import PinnedTool, find_tool, pinned_tools
from quarterdeck.runtime.planner.nodes import children, effects
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.starting.inputs import check
from quarterdeck.runtime.state import Step


def agent_of(planning: Planning) -> AgentDefinition:
    """Returns the agent's definition."""
    definition = planning.definition
    assert isinstance(definition, AgentDefinition)
    return definition


def advance_use(planning: Planning, step: Step) -> Decision | None:
    """Returns what follows for a call of the model, or None while it is at work."""
    if step.status == st.OPEN:
        return _begin_use(planning, step)
    if step.status == st.DONE:
        return Decision([ev.Event(ev.STEP_COMPLETED, {"step": step.id})])
    if step.status == st.FAILED:
        return _recover_use(planning, step)
    if step.status in (st.PARKED, st.DELAYED):
        return lifecycle.look_again(planning, step)
    return None


def _begin_use(planning: Planning, step: Step) -> Decision:
    """Turns the model's call into a tool call, a child run, a memory operation or a question."""
    params = step.params or {}
    if "target" in params:  # tried before: with the same arguments, or those a person changed
        return effects.intent(planning, step, _effect_kind(params), params["target"], params["arguments"])
    use = params["use"]
    tool = find_tool(pinned_tools(planning), use["name"])
    if tool is None:
        return told(step, f"there is no tool named {use['name']!r}")
    if use.get("malformed"):
        return told(step, f"the arguments are not valid JSON: {use['malformed']}")
    stored = use.get("arguments") or {}
    if tool.kind == "tool":  # mcp-manager checks the arguments, against the schema as it is then
        return _begin_tool(planning, step, tool, stored)
    arguments = planning.value(stored)
    problem = _arguments_problem(arguments, tool)
    if problem:
        return told(step, problem)
    return _BEGIN_USE[tool.kind](planning, step, tool, arguments)


def _arguments_problem(arguments: dict[str, Any], tool: PinnedTool) -> str:
    try:
        check(arguments, tool.schema, "arguments")
    except (InvalidArgument, FailedPrecondition) as error:
        return error.message
    return ""


def _effect_kind(params: dict[str, Any]) -> str:
    return "memory" if "collection" in params["target"] else "tool"


def told(step: Step, problem: str) -> Decision:
    """Tells the model what is wrong with its call; it may do better at its next turn."""
    return Decision([ev.Event(ev.STEP_COMPLETED, {"step": step.id, "output": {"$error": problem}})])


def _begin_tool(planning: Planning, step: Step, tool: PinnedTool, arguments: dict[str, Any]) -> Decision:
    target = {"server": tool.server, "tool": tool.tool}
    policy = _approval_policy(planning, tool)
    if policy and not step.approved:
        return recovery.request_approval(
            planning,
            step,
            source="tool",
            title=_call_title(planning, target),
            summary="The agent's definition asks for an approval of this tool.",
            data=arguments,
            policy=policy,
            params={"target": target, "arguments": arguments},
            editable=True,
        )
    return effects.intent(planning, step, "tool", target, arguments)


def _call_title(planning: Planning, target: dict[str, Any]) -> str:
    return f"{planning.state.name} wants to call {target['server']}/{target['tool']}"


def _approval_policy(planning: Planning, tool: PinnedTool) -> str:
    for rule in agent_of(planning).spec.get("approvals") or ():
        if rule["server"] == tool.server and (not rule.get("names") or tool.tool in rule["names"]):
            return str(rule["policy"])
    return ""


def _begin_agent(planning: Planning, step: Step, tool: PinnedTool, arguments: dict[str, Any]) -> Decision:
    return children.one_child(planning, step, "Agent", tool.tool, arguments)


def _begin_question(planning: Planning, step: Step, tool: PinnedTool, arguments: dict[str, Any]) -> Decision:
    return recovery.request_approval(
        planning,
        step,
        source="question",
        title=str(arguments.get("question") or "A question"),
        summary=str(arguments.get("context") or ""),
        data=arguments,
        policy=str((agent_of(planning).spec.get("askPerson") or {}).get("policy") or ""),
    )


def _begin_memory(planning: Planning, step: Step, tool: PinnedTool, arguments: dict[str, Any]) -> Decision:
    operation = "search" if tool.name == TOOL_SEARCH_MEMORY else "save"
    collection = str(arguments.get("collection") or "")
    if collection not in tool.collections:
        return told(step, f"collection must be one of: {', '.join(tool.collections)}")
    rest = {key: value for key, value in arguments.items() if key != "collection"}
    return effects.intent(planning, step, "memory", {"collection": collection, "operation": operation}, rest)


_BEGIN_USE = {
    "agent": _begin_agent,
    TOOL_ASK_PERSON: _begin_question,
    TOOL_SEARCH_MEMORY: _begin_memory,
    TOOL_SAVE_MEMORY: _begin_memory,
}


def _recover_use(planning: Planning, step: Step) -> Decision:
    """A failed call is told to the model; an uncertain one follows its policy first."""
    error = step.error or {}
    if error.get("status") == "needs_approval":
        params = step.params or {}
        return recovery.request_approval(
            planning,
            step,
            source="tool",
            title=_call_title(planning, params["target"]),
            summary=error.get("message", ""),
            data=params.get("arguments"),
            policy=error.get("approval_policy", ""),
            params=params,
            editable=True,
        )
    decision = recovery.after_uncertainty(planning, step)
    return decision or told(step, error.get("message", "failed"))
