"""Steps that need nothing from outside: transform and decision."""

from __future__ import annotations

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import Node
from quarterdeck.runtime.planner.planning import Planning
from quarterdeck.runtime.state import Step


def transform_output(planning: Planning, node: Node) -> object:
    """Returns the output of a transform."""
    return planning.render(node.template)["output"]


def decided_edge(planning: Planning, node: Node) -> str:
    """Returns where a decision goes: its first true case, else `otherwise` (empty: the path ends)."""
    for edge in node.edges:
        if edge.when is None or planning.holds(edge.when):
            return edge.to
    return node.otherwise


def step_started(step_id: str, node: Node, parent: str = "") -> ev.Event:
    """Returns the event that opens a step of a node."""
    data = {"step": step_id, "node": node.name, "kind": node.kind}
    if parent:
        data["parent"] = parent
    return ev.Event(ev.STEP_STARTED, data)


def visit_id(planning: Planning, node: Node) -> str:
    """Returns the id of the node's next visit: its name, then name#2, name#3, …"""
    visits = planning.state.visits.get(node.name, 0)
    return node.name if visits == 0 else f"{node.name}#{visits + 1}"


def is_pure(step: Step) -> bool:
    """True for steps that end in the decision that begins them."""
    return step.kind in ("transform", "decision")
