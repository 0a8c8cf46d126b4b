"""Steps that wait: for time, a signal, or a person."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import Node
from quarterdeck.runtime.planner.lifecycle import timer
from quarterdeck.runtime.planner.planning import Decision, Planning, StepRefused
from quarterdeck.runtime.planner.recovery import request_approval
from quarterdeck.runtime.state import Step


def begin_wait(planning: Planning, step: Step, node: Node) -> Decision:
    """Sets the timer, or listens for the signal; one that came early is taken at once."""
    body = planning.render(node.template)
    if body.get("signal"):
        return _begin_signal(planning, step, body["signal"])
    return Decision([timer(step.id, "wait", _due(planning, node, body))])


def _due(planning: Planning, node: Node, body: dict[str, Any]) -> float:
    try:
        if body.get("until"):
            return parse_rfc3339(body["until"])
        return planning.now + duration_seconds(body["duration"])
    except (ValueError, TypeError, AttributeError) as error:  # a template gave it
        raise StepRefused("validation", f"{node.name} cannot wait: {error}", node=node.name) from error


def _begin_signal(planning: Planning, step: Step, signal: dict[str, Any]) -> Decision:
    events = [ev.Event(ev.SIGNAL_AWAITED, {"step": step.id, "name": signal["name"]})]
    if signal.get("timeout"):
        events.append(timer(step.id, "timeout", planning.now + duration_seconds(signal["timeout"])))
    return Decision(events)


def take_signal(planning: Planning, step: Step) -> Decision | None:
    """Takes the oldest signal that the step waits for, if one is there."""
    name = (step.params or {}).get("signal", "")
    if name not in planning.state.signals:
        return None
    return Decision([ev.Event(ev.SIGNAL_CONSUMED, {"step": step.id, "name": name})])


def begin_approval(planning: Planning, step: Step, node: Node) -> Decision:
    """Asks a person."""
    body = planning.render(node.template)
    return request_approval(
        planning,
        step,
        source="node",
        title=str(body.get("title") or node.name),
        summary=str(body.get("summary") or ""),
        data=body.get("data"),
        policy=str(body.get("policy") or ""),
        editable=bool(body.get("editable")),
    )
