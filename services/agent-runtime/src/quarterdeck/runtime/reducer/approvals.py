"""Questions to people, and their answers."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.state import RunState, Step


def requested(state: RunState, data: dict[str, Any], at: float) -> None:
    """`approval.requested`: a step waits for a person."""
    step = state.steps[data["step"]]
    step.status, step.approval = st.APPROVAL, data["approval"]
    step.reason = data["source"]
    if data["source"] == "tool":
        step.params = data["params"]
    state.approvals[data["approval"]] = step.id


def decided(state: RunState, data: dict[str, Any], at: float) -> None:
    """`approval.decided`: by what was asked, a step goes on, fails, or is known."""
    step_id = state.approvals.pop(data["approval"], None)
    step = state.steps.get(step_id or "")
    if step is None:
        return
    source, step.approval = step.reason, ""
    if source == "effect":
        _effect_decided(step, data)
    elif source == "tool":
        if data["approved"]:
            step.status, step.approved, step.error = st.OPEN, data["approval"], None
            if data.get("answer") is not None:
                step.params = {**(step.params or {}), "arguments": data["answer"]}
        else:
            step.status, step.error = st.FAILED, _rejection(step, data)
    else:
        step.status = st.DONE
        step.output = {
            "approved": data["approved"],
            "by": data.get("by", ""),
            "comment": data.get("comment", ""),
            "answer": data.get("answer"),
            "expired": bool(data.get("expired")),
        }


def _rejection(step: Step, data: dict[str, Any]) -> dict[str, Any]:
    who = "nobody decided in time" if data.get("expired") else f"rejected by {data.get('by', '')}"
    comment = f": {data['comment']}" if data.get("comment") else ""
    return {**ev.error_value("policy", who + comment, node=step.node), "status": "rejected"}


def _effect_decided(step: Step, data: dict[str, Any]) -> None:
    """A person says what became of an uncertain effect: done (with its outcome), or to try again."""
    resolution, outcome = resolution_of(data)
    if resolution != "retry":
        step.uncertain = ""
    if resolution == "done":
        step.status, step.output, step.error = st.DONE, outcome, None
    elif resolution == "retry":
        step.status, step.error, step.attempt = st.OPEN, None, step.attempt + 1
        step.approved = ""  # what policy wants approved is asked about again, by whom it concerns
    else:
        step.status = st.FAILED
        step.error = {
            **(step.error or {}),
            **ev.error_value("uncertain", "given up by a person"),
            "status": "rejected",
        }


def resolution_of(decision: dict[str, Any]) -> tuple[str, Any]:
    """Returns what a person said of an uncertain effect (`retry`, `done` or `fail`), and its outcome."""
    answer = decision.get("answer")
    said = answer if isinstance(answer, dict) else {}
    return said.get("resolution") or ("retry" if decision["approved"] else "fail"), said.get("outcome")
