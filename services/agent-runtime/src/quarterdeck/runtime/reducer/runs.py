"""The run as a whole: how it begins, is held up, stops and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.reducer.steps import close
from quarterdeck.runtime.state import AgentState, RunState, Step


def started(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.started`: what the run is and what it was given."""
    state.kind, state.name, state.tenant = data["kind"], data["name"], data["tenant"]
    state.labels = data.get("labels", {})
    state.session = data.get("session", "")
    state.depth = data.get("depth", 0)
    state.input = data.get("input")
    state.budget = data.get("budget", {})
    state.history = data.get("history", [])
    state.started_at = at
    if state.kind == "Agent":
        state.agent = AgentState()


def cancel_requested(state: RunState, data: dict[str, Any], at: float) -> None:
    """`cancel.requested`: somebody wants the run to stop; the first reason stays."""
    state.cancel = state.cancel or ev.error_value(
        "cancelled", data.get("reason") or "cancelled", by=data.get("by", "")
    )
    state.paused = None  # who stops a run wants it undone now


def stopping(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.stopping`: gives up every step that nothing has to be waited for."""
    state.phase, state.error = st.STOPPING, data["error"]
    for step in list(state.steps.values()):
        if step.id in state.steps and not _outlasts_stop(state, step):
            close(state, step.id)


def _outlasts_stop(state: RunState, step: Step) -> bool:
    """True for what is at work outside, what nobody knows, and what has ended: that may have to be undone."""
    if step.status in (st.EFFECT, st.CHILDREN, st.DONE) or step.uncertain:
        return True
    if step.children and step.children.outstanding:
        return True
    return any(_outlasts_stop(state, state.steps[b]) for b in step.branches if b in state.steps)


def phase_entered(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.phase`: compensation and `finally` begin with no step of what was before."""
    state.phase = data["phase"]
    state.error = state.error or data.get("error")
    if state.phase in (st.COMPENSATING, st.FINALLY):
        for step_id in list(state.steps):
            if step_id in state.steps:
                close(state, step_id)


def parked(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.parked`: something live is missing for a step."""
    step = state.steps.get(data.get("step", ""))
    if step is not None:
        step.status, step.reason = st.PARKED, data["reason"]


def paused(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.paused`: nothing is decided until it is resumed."""
    state.paused = data


def resumed(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.resumed`: parked steps look again."""
    state.paused = None
    for step in state.steps.values():
        if step.status == st.PARKED:
            step.status, step.reason = st.OPEN, ""


def repinned(state: RunState, data: dict[str, Any], at: float) -> None:
    """`run.repinned`: parked steps look again, under another definition."""
    resumed(state, data, at)


def finished(outcome: str) -> Callable[[RunState, dict[str, Any], float], None]:
    """Returns the handler of a terminal event: nothing is open or reserved any more."""

    def finish(state: RunState, data: dict[str, Any], at: float) -> None:
        state.phase, state.outcome, state.paused = st.FINISHED, outcome, None
        state.output, state.error = data.get("output"), data.get("error")
        state.steps.clear()
        state.timers.clear()
        state.approvals.clear()
        state.effects.clear()
        state.leaving.clear()
        state.reserved = state.reserved_tokens = 0
        state.worktime = st.WorkTime()

    return finish
