"""Child runs of a step: started, counted as they end, told to stop, joined."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.reducer.accounts import charge, reserve
from quarterdeck.runtime.state import Children, RunState


def started(state: RunState, data: dict[str, Any], at: float) -> None:
    """`children.started`: a page of them, or a single one, with what is reserved for each."""
    step = state.steps[data["step"]]
    step.status = st.CHILDREN
    children = step.children or Children()
    children.total = data["total"]
    children.started += data["count"]
    children.run = data.get("run", "")
    step.children = children
    given = data.get("reserve") or {}
    for what, amount in given.items():
        children.held[what] = children.held.get(what, 0) + amount * data["count"]
    reserve(state, given, data["count"])


def finished(state: RunState, data: dict[str, Any], at: float) -> None:
    """`child.finished`: the only child of a step has ended."""
    ok = data["state"] == "succeeded"
    children = state.children_of(data["step"])
    if children is None or children.run != data["run"]:
        charge(state, data)
        return
    _ended(state, data["step"], children, int(ok), int(not ok), data)
    step = state.step_of_children(data["step"])
    if step is None:
        return
    if ok:  # perhaps in spite of a timeout
        step.status, step.output, step.error = st.DONE, data.get("output"), None
    else:
        step.status = st.FAILED if step.status != st.DONE else step.status
        step.error = step.error or data.get("error") or ev.error_value("child", f"child run {data['state']}")


def progressed(state: RunState, data: dict[str, Any], at: float) -> None:
    """`children.progress`: some items of a map have ended."""
    children = state.children_of(data["step"])
    if children is None:
        charge(state, data)
        return
    children.error = children.error or data.get("error")
    _ended(state, data["step"], children, data["done"], data["failed"], data)
    step = state.step_of_children(data["step"])
    if step is not None and step.status == st.FAILED and children.done == children.total:
        step.status, step.error = st.CHILDREN, None  # all have succeeded, in spite of a timeout


def stopped(state: RunState, data: dict[str, Any], at: float) -> None:
    """`children.stopped`: they were told to stop."""
    for step_id in data["steps"]:
        children = state.steps[step_id].children
        if children is not None:
            children.told = True


def _ended(
    state: RunState, key: str, children: Children, done: int, failed: int, data: dict[str, Any]
) -> None:
    """Counts children that have ended: what they took is spent, what they were given is free again."""
    children.done += done
    children.failed += failed
    charge(state, data)
    given = data.get("slice") or {}
    over = children.outstanding <= 0
    freed = {what: held if over else min(held, given.get(what, 0)) for what, held in children.held.items()}
    reserve(state, freed, -1)
    children.held = {what: held - freed[what] for what, held in children.held.items()}
    if over:
        state.leaving.pop(key, None)


def joined(state: RunState, data: dict[str, Any], at: float) -> None:
    """`children.joined`: the results of a map, or of branches, in order."""
    step = state.steps.get(data["step"])
    if step is None:  # closed while its results were being collected
        return
    step.status, step.output = st.DONE, data["output"]
    if step.children is not None:
        step.children.joined = True
