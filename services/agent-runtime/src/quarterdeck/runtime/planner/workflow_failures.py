"""What follows a failed step of a workflow: ask, check, try again, catch, or stop. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import DEFAULT_RETRY_ATTEMPTS
from quarterdeck.runtime.definition import Node, RetryRule
from quarterdeck.runtime.planner import lifecycle, recovery, settling
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.planner.workflow_paths import enter, goes_on, is_undo, node_of
from quarterdeck.runtime.state import Step, child_key

# How often an undo is tried when its node says nothing.
_UNDO_RETRY = (RetryRule(frozenset(), DEFAULT_RETRY_ATTEMPTS, 1.0, 2.0, 30.0, 0.1, None),)


def recover(planning: Planning, step: Step, error: dict[str, Any]) -> Decision | None:
    """Returns what to do about a step's error, by its status first and its class then.

    None while something of the failed attempt is at work: what comes of it decides.
    """
    if not step.uncertain and not settling.at_rest(planning.state, step):
        return settling.stop_children(planning.state, step)
    status = error.get("status")
    if status == "needs_approval":
        return _ask_for_tool(planning, step, error)
    decision = recovery.after_uncertainty(planning, step)
    if decision is not None:
        return decision
    rules = _UNDO_RETRY if is_undo(step) else node_of(planning, step).retry
    return recovery.retry(planning, replace(step, error=error), rules) or fail(planning, step, error)


def _ask_for_tool(planning: Planning, step: Step, error: dict[str, Any]) -> Decision:
    params = step.params or {}
    target = params.get("target", {})
    return recovery.request_approval(
        planning,
        step,
        source="tool",
        title=f"Call {target.get('server')}/{target.get('tool')}",
        summary=error.get("message", ""),
        data=params.get("arguments"),
        policy=error.get("approval_policy", ""),
        params=params,
        editable=True,
    )


def fail(planning: Planning, step: Step, error: dict[str, Any]) -> Decision:
    """Goes to the node that catches this class, gives the error to the parent, or stops the run."""
    error = {**error, "node": error.get("node", step.node), "step": step.id}
    failed: dict[str, Any] = {"step": step.id, "error": error}
    if is_undo(step):
        failed["undo_of"] = step.node
    at_work = [child_key(step)] if step.children and step.children.outstanding else []
    decision = Decision([ev.Event(ev.STEP_FAILED, failed)], cancel_children_of=at_work)
    if step.parent or is_undo(step):
        return decision
    handler = _handler(node_of(planning, step), error["class"])
    if handler:
        return _caught(planning, decision, failed, handler)
    if planning.state.phase == st.FORWARD:
        return lifecycle.stopping(planning.state, error)
    if planning.state.error is None:  # it had succeeded, until its `finally`
        decision.events += lifecycle.phase(st.FINALLY, error).events
    return decision


def _handler(node: Node, kind: str) -> str:
    for catch in node.catch:
        if kind in catch.errors or not catch.errors or "*" in catch.errors:
            return catch.to
    return ""


def _caught(planning: Planning, decision: Decision, failed: dict[str, Any], handler: str) -> Decision:
    opened = enter(planning, handler)
    if not goes_on(opened):
        return opened
    failed["catch"] = handler
    decision.events += opened.events
    return decision
