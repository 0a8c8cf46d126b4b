"""Steps: begun, tried again, ended, given up."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import state as st
from quarterdeck.runtime.state import RunState, Step, child_key


def started(state: RunState, data: dict[str, Any], at: float) -> None:
    """`step.started`: a visit, a branch of a parent, or a compensation."""
    step = Step(data["step"], data["node"], data["kind"], data.get("parent", ""), began_at=at)
    step.params = data.get("params")
    state.steps[step.id] = step
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.branches.append(step.id)
        parent.status = st.WAITING
    elif not data.get("undo"):
        state.visits[step.node] = state.visits.get(step.node, 0) + 1


def retrying(state: RunState, data: dict[str, Any], at: float) -> None:
    """`step.retrying`: another attempt, which knows nothing of the one before."""
    step = state.steps[data["step"]]
    _let_go(state, step)
    step.attempt = data["attempt"]
    step.status = st.DELAYED if data.get("timer") else st.OPEN
    step.output, step.error, step.effect, step.approval, step.children = None, None, "", "", None
    step.approved = ""  # an approval is for one call
    step.branches, step.timers = [], []


def completed(state: RunState, data: dict[str, Any], at: float) -> None:
    """`step.completed`: leaves its output, and how it can be undone."""
    step = close(state, data["step"])
    output = data.get("output", step.output)
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.output = {**(parent.output or {}), step.node: output}
    elif not data.get("undo_of"):
        state.outputs[step.node] = output
        state.last_node = step.node
        state.handled = None if data.get("next") is None else state.handled
    if data.get("undo") is not None:
        state.undo.append(data["undo"])
    if data.get("undo_of") is not None and state.undo:
        state.undo.pop()


def failed(state: RunState, data: dict[str, Any], at: float) -> None:
    """`step.failed`: leaves its error to a handler or to its parent."""
    step = close(state, data["step"])
    if data.get("catch"):
        state.handled = state.errors[step.node] = data["error"]
    if data.get("undo_of") is not None and state.undo:
        state.undo.pop()
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.error = parent.error or data["error"]
        parent.output = {**(parent.output or {}), step.node: None}


def close(state: RunState, step_id: str) -> Step:
    """Takes a step out, with everything that waits for it."""
    step = state.steps.pop(step_id)
    _let_go(state, step)
    return step


def _let_go(state: RunState, step: Step) -> None:
    """Forgets what a step waits for: branches, timers, its question. Children at work leave by themselves."""
    for branch in step.branches:
        if branch in state.steps:
            close(state, branch)
    for timer in step.timers:
        state.timers.pop(timer, None)
    if step.approval:
        state.approvals.pop(step.approval, None)
    if step.children and step.children.outstanding:
        state.leaving[child_key(step)] = step.children
