"""One turn: choose the first rule that applies, and work out what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quarterdeck.llm.errors import PlaybookFailed
from quarterdeck.llm.playbook import limits
from quarterdeck.llm.playbook.compiler import CompiledAgent, CompiledRule, Playbook, Steps, ToolCall
from quarterdeck.llm.playbook.transcript import Bindings, bindings, resolve_tool
from quarterdeck.llm.types import JsonValue, ModelRequest


@dataclass(frozen=True)
class CallTools:
    """Call these tools, side by side: name and arguments."""

    calls: tuple[tuple[str, Mapping[str, JsonValue]], ...]


@dataclass(frozen=True)
class Answer:
    """End the run with this value."""

    value: JsonValue


@dataclass(frozen=True)
class Say:
    """End the turn with plain text."""

    text: str


Decision = CallTools | Answer | Say


def decide(playbook: Playbook, request: ModelRequest) -> Decision:
    """What the playbook does for this request. Pure: nothing but the two arguments counts."""
    agent = playbook.agents.get(request.metadata.agent)
    if agent is None:
        raise PlaybookFailed(
            f"{playbook.model} has no rules for the agent {request.metadata.agent!r}",
            hint=f"it has rules for {', '.join(sorted(playbook.agents))}",
        )
    scope = _work_out(agent.steps, bindings(request))
    rule = _first_that_applies(agent, scope, request)
    return _act(rule, _work_out(rule.steps, scope), [tool.name for tool in request.tools])


def _work_out(steps: Steps, scope: Bindings) -> Bindings:
    found = steps.extract(scope)
    scope = {**scope, "extracted": {**scope["extracted"], **found}}
    return {**scope, **steps.let(scope)}


def _first_that_applies(agent: CompiledAgent, scope: Bindings, request: ModelRequest) -> CompiledRule:
    for rule in agent.rules:
        applies = rule.when(scope)
        if not isinstance(applies, bool):
            raise PlaybookFailed(f"{rule.path}.when: gives {applies!r}, which is neither true nor false")
        if applies:
            return rule
    called = ", ".join(name for name, results in scope["tools"].items() if results) or "none"
    raise PlaybookFailed(
        f"no rule for the agent {request.metadata.agent!r} applies in turn {scope['turn']}"
        f" (tools with results so far: {called})",
        hint="end the list with a rule without 'when'",
    )


def _act(rule: CompiledRule, scope: Bindings, offered: Sequence[str]) -> Decision:
    if rule.answer is not None:
        return Answer(rule.answer(scope))
    if rule.say is not None:
        return Say(str(rule.say(scope)))
    calls = [pair for call in rule.calls for pair in _expand(rule, call, scope, offered)]
    if not 0 < len(calls) <= limits.CALLS_PER_TURN:
        raise PlaybookFailed(
            f"{rule.path}.call: makes {len(calls)} tool calls; 1 to {limits.CALLS_PER_TURN} are possible"
        )
    return CallTools(tuple(calls))


def _expand(
    rule: CompiledRule, call: ToolCall, scope: Bindings, offered: Sequence[str]
) -> list[tuple[str, Mapping[str, JsonValue]]]:
    tool = resolve_tool(call.tool, offered)
    if tool is None:
        raise PlaybookFailed(
            f"{rule.path}.call: the agent is not offered the tool {call.tool!r}",
            hint=f"it is offered {', '.join(offered) or 'none'}",
        )
    if call.items is None:
        return [(tool, call.arguments(scope))]
    items = call.items(scope)
    if not isinstance(items, list):
        raise PlaybookFailed(f"{rule.path}.call: items gives {type(items).__name__}, not a list")
    return [
        (tool, call.arguments({**scope, "item": item, "index": index})) for index, item in enumerate(items)
    ]
