"""What an agent's run does next: the tool loop, as decisions over its transcript. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.resources.errors import ExpressionError
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.planner import lifecycle, settling
from quarterdeck.runtime.planner.agent_answer import answer_of, repair_message
from quarterdeck.runtime.planner.agent_uses import advance_use, agent_of, told
from quarterdeck.runtime.planner.nodes import effects
from quarterdeck.runtime.planner.planning import Decision, Planning, StepRefused, expression_problem
from quarterdeck.runtime.state import AgentState, Step

MODEL_STEP = "model"


def decide(planning: Planning) -> Decision | None:
    """Returns what follows from the state, or None when the run waits for something outside."""
    state = planning.state
    if state.phase == st.FINISHED:
        return None
    if state.phase == st.STOPPING:
        return _stop(planning)
    error = lifecycle.wanted_stop(state)
    if error is not None:
        return lifecycle.stopping(state, error)
    again = lifecycle.timeout_again(planning)
    if again is not None:
        return again
    if needs_tools(planning):
        return None
    for step in list(state.steps.values()):
        decision = _advance(planning, step)
        if decision is not None:
            return decision
    return None if state.steps else _between_steps(planning)


def _stop(planning: Planning) -> Decision | None:
    """Waits until nothing is in flight, and until it is known what became of every call."""
    for step in planning.state.steps.values():
        decision = settling.find_out(planning, step)
        if decision is not None:
            return decision
    return lifecycle.finish(planning, None) if settling.is_settled(planning.state) else None


def needs_tools(planning: Planning) -> bool:
    """True until the tools that the model will see are pinned; the executor lists them."""
    state = planning.state
    return state.agent is not None and state.agent.tools is None and state.phase == st.FORWARD


def _agent(planning: Planning) -> AgentState:
    agent = planning.state.agent
    assert agent is not None
    return agent


def _between_steps(planning: Planning) -> Decision:
    agent = _agent(planning)
    if not agent.messages:
        timeout = lifecycle.run_timeout(planning, agent_of(planning).timeout)
        return Decision([*timeout, *_opening(planning)])
    last = planning.value(agent.messages[-1])
    if last["role"] == "user":
        return _ask_model(planning)
    uses = _tool_uses(last)
    if uses and all(use["id"] in planning.state.outputs for use in uses):
        return Decision([ev.Event(ev.MESSAGE_APPENDED, {"results": [use["id"] for use in uses]})])
    if uses:
        missing = [use for use in uses if use["id"] not in planning.state.outputs]
        return Decision([_tool_started(planning, use) for use in missing])
    return _conclude(planning, last)


def _opening(planning: Planning) -> list[ev.Event]:
    """The session's earlier turns, then this run's input, as messages."""
    state = planning.state
    messages = [message for turn in planning.value(state.history) for message in turn["messages"]]
    value = planning.value(state.input)
    text = value if isinstance(value, str) else _json_text(value)
    messages.append(user_message(text))
    return [ev.Event(ev.MESSAGE_APPENDED, {"message": message}) for message in messages]


def _json_text(value: Any) -> str:
    from quarterdeck.common import codec

    if isinstance(value, dict) and set(value) == {"message"} and isinstance(value["message"], str):
        return value["message"]
    return codec.dumps(value).decode()


def user_message(text: str) -> dict[str, Any]:
    """Returns a user's message as the journal keeps it."""
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _ask_model(planning: Planning) -> Decision:
    """Begins a model turn, unless a limit is reached."""
    agent = _agent(planning)
    problem = _limit_reached(planning)
    if problem is not None:
        return lifecycle.stopping(planning.state, problem)
    step_id = f"{MODEL_STEP}-{agent.turn + 1}"
    started = ev.Event(ev.STEP_STARTED, {"step": step_id, "node": step_id, "kind": MODEL_STEP})
    intent = effects.intent(
        planning, Step(step_id, step_id, MODEL_STEP), "model", _model_target(planning), None
    )
    return Decision([started, *intent.events])


def _limit_reached(planning: Planning) -> dict[str, Any] | None:
    state, definition, agent = planning.state, agent_of(planning), _agent(planning)
    if agent.turn >= definition.turns:
        message = f"the agent took {agent.turn} model turns, its limit"
        return ev.error_value("limit", message, limit="turns", hint=_hint("limits.turns"))
    tokens = state.budget.get("tokens")
    if tokens is not None and state.tokens >= tokens:
        message = f"{state.tokens} tokens used; the limit is {tokens}"
        return ev.error_value("budget", message, limit="tokens", hint=_hint("limits.tokens"))
    cost = state.budget.get("cost")
    if cost is not None and state.spent > cost:
        message = f"{state.spent / 1e6:.6f} US dollars spent; the budget is {cost / 1e6:.6f}"
        return ev.error_value("budget", message, limit="cost", hint=_hint("limits.costUsd"))
    return None


def _hint(field: str) -> str:
    return f"see what it did in its journal; spec.{field} of the Agent, or the budget of its caller, sets it"


def _tool_uses(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in message["content"] if block["type"] == "toolUse"]


def _tool_started(planning: Planning, use: dict[str, Any]) -> ev.Event:
    step_id = f"{MODEL_STEP}-{_agent(planning).turn}/{use['id']}"
    params = {"use": use}
    return ev.Event(ev.STEP_STARTED, {"step": step_id, "node": use["id"], "kind": "use", "params": params})


def _conclude(planning: Planning, message: dict[str, Any]) -> Decision:
    """The model has answered: take the answer, ask for one repair, or fail."""
    definition, agent = agent_of(planning), _agent(planning)
    value, problem = answer_of(message, definition.output_schema, agent.stop_reason)
    if not problem:
        return lifecycle.finish(planning, value)
    if agent.repaired:
        error = ev.error_value("validation", f"the answer does not fit the output schema: {problem}")
        return lifecycle.stopping(planning.state, error)
    return Decision(
        [
            ev.Event(
                ev.MESSAGE_APPENDED,
                {"message": repair_message(problem, definition.output_schema or {}), "repair": True},
            )
        ]
    )


def _advance(planning: Planning, step: Step) -> Decision | None:
    try:
        if step.kind == MODEL_STEP:
            return _advance_model(planning, step)
        return advance_use(planning, step)
    except StepRefused as refused:
        return told(step, refused.error["message"])
    except ExpressionError as error:
        return lifecycle.stopping(planning.state, {**expression_problem(error, step.node), "step": step.id})


def _advance_model(planning: Planning, step: Step) -> Decision | None:
    if step.status == st.FAILED:
        return lifecycle.stopping(planning.state, {**(step.error or {}), "step": step.id})
    if step.status == st.PARKED:
        return lifecycle.look_again(planning, step)
    if step.status == st.OPEN:  # retried or resumed
        return effects.intent(planning, step, "model", _model_target(planning), None)
    return None


def _model_target(planning: Planning) -> dict[str, Any]:
    route = agent_of(planning).spec.get("model") or {}
    return {
        "route": route.get("route", "default"),
        "tier": route.get("tier") or "",
        "turn": _agent(planning).turn + 1,
    }
