"""Effects: intended, and what became of them."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import state as st
from quarterdeck.runtime.reducer.accounts import charge, reserve
from quarterdeck.runtime.reducer.steps import close
from quarterdeck.runtime.state import NOT_MADE, AgentState, Effect, RunState


def intended(state: RunState, data: dict[str, Any], at: float) -> None:
    """`effect.intent`: what will be done, and what is reserved for it."""
    effect = effect_of(data)
    state.effects[effect.id] = effect
    state.effect_count += 1
    reserve(state, {"cost": effect.reserve, "tokens": effect.reserve_tokens}, 1)
    step = state.steps[effect.step]
    step.status, step.effect, step.reason = st.EFFECT, effect.id, ""
    if effect.kind in ("tool", "memory"):
        step.params = {"target": effect.target, "arguments": effect.arguments}


def effect_of(data: dict[str, Any]) -> Effect:
    """Returns the effect that an `effect.intent` announces."""
    return Effect(
        data["effect"],
        data["step"],
        data["kind"],
        data["target"],
        data.get("arguments"),
        data.get("attempt", 1),
        data.get("reserve", 0),
        data.get("approval", ""),
        data.get("checks", ""),
        data.get("reserve_tokens", 0),
    )


def ended(state: RunState, data: dict[str, Any], at: float) -> None:
    """`effect.outcome`: what became of it, and what it took; the reservation ends."""
    effect = state.effects.pop(data["effect"])
    reserve(state, {"cost": effect.reserve, "tokens": effect.reserve_tokens}, -1)
    charge(state, data)
    step = state.steps.get(effect.step)
    if step is None or step.effect != effect.id:  # it belongs to an attempt that was given up
        return
    step.effect = ""
    status = data["status"]
    if status == "uncertain":
        step.uncertain = step.uncertain or effect.id
    elif status not in NOT_MADE:  # what happened before is as unknown as it was
        step.uncertain = ""
    if status == "ok":
        step.status, step.output, step.error = st.DONE, data.get("result"), None
        if effect.kind == "model" and state.agent is not None:
            _model_answered(state.agent, data)
            close(state, step.id)
    elif status == "unavailable":
        step.status, step.error, step.parks = st.PARKED, data["error"], step.parks + 1
        step.reason = data["error"].get("message", "")
    else:
        step.status, step.error = st.FAILED, {**data["error"], "status": status}


def _model_answered(agent: AgentState, data: dict[str, Any]) -> None:
    agent.turn += 1
    agent.stop_reason = data.get("stop_reason", "")
    agent.last_input_tokens = data.get("input_tokens", 0)
