"""Where a workflow stands, the way from one step to the next, what completing leaves behind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.resources.expressions import Expression
from quarterdeck.resources.templates import Template, names_used
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import Node, WorkflowDefinition
from quarterdeck.runtime.planner import lifecycle
from quarterdeck.runtime.planner.nodes import pure
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.state import FINALLY, Step

_UNDO = "!undo"


def definition_of(planning: Planning) -> WorkflowDefinition:
    """Returns the workflow's definition."""
    assert isinstance(planning.definition, WorkflowDefinition)
    return planning.definition


def node_name(step_id: str) -> str:
    """Returns the node of a visit's id ("book#2" is a visit of "book")."""
    return step_id.split("#", 1)[0]


def is_undo(step: Step) -> bool:
    """True for a step that compensates another one."""
    return step.id.endswith(_UNDO)


def node_of(planning: Planning, step: Step) -> Node:
    """Returns the node that a step visits, undoes, or is a branch of."""
    nodes = definition_of(planning).nodes
    if is_undo(step):
        undo = _named(nodes, step.node).undo
        assert undo is not None
        return undo
    return _named(nodes, f"{node_name(step.parent)}/{step.node}" if step.parent else step.node)


def _named(nodes: Mapping[str, Node], name: str) -> Node:
    """Returns a node, or a branch as "node/branch"."""
    top, _, branch = name.partition("/")
    return next(one for one in nodes[top].branches if one.name == branch) if branch else nodes[top]


def enter(planning: Planning, name: str) -> Decision:
    """Opens a visit of a node, unless the node was visited as often as it may be.

    Then the run stops; in `finally`, where everything is undone already, it fails without more.
    """
    node = definition_of(planning).nodes[name]
    if node.max_visits is not None and planning.state.visits.get(name, 0) >= node.max_visits:
        message = f"node {name} was visited {node.max_visits} times, its maxVisits"
        error = ev.error_value("limit", message, node=name)
        if planning.state.phase == FINALLY:
            return lifecycle.phase(FINALLY, error)
        return lifecycle.stopping(planning.state, error)
    return Decision([pure.step_started(pure.visit_id(planning, node), node)])


def goes_on(decision: Decision) -> bool:
    """True unless `enter` had to stop the run: the step before is then ended by that."""
    return decision.events[0].type != ev.RUN_STOPPING


def completed(
    planning: Planning, step: Step, node: Node, following: str | None, output: Any = None
) -> ev.Event:
    """Returns the event that ends a step; it carries how to undo it, if that can be needed."""
    data: dict[str, Any] = {"step": step.id}
    if is_undo(step):
        data["undo_of"] = step.node
    if pure.is_pure(step):
        data["output"] = output
    if following:
        data["next"] = following
    if node.undo is not None:
        data["undo"] = _undo(planning, step, node.undo)
    return ev.Event(ev.STEP_COMPLETED, data)


def _undo(planning: Planning, step: Step, undo: Node) -> dict[str, Any]:
    """Renders a compensation now, while what the step did is known exactly."""
    output = planning.value(step.output)
    body = undo.template.value
    if not undo.template.constant:
        body = planning.render(undo.template, _with_output(planning, undo.template, step.node, output))
    params = body
    if undo.kind == "tool":
        target = {"server": body["server"], "tool": body["name"]}
        if body.get("idempotencyKey"):
            target["key"] = body["idempotencyKey"]
        params = {"target": target, "arguments": body.get("arguments") or {}}
    node = f"{node_name(step.parent)}/{step.node}" if step.parent else step.node
    return {"step": step.id + _UNDO, "node": node, "kind": undo.kind, "params": params}


def following_node(planning: Planning, node: Node, output: Any, step: Step) -> str:
    """Returns where the path goes on; empty when it ends here."""
    if node.kind == "decision":
        return str(output["to"])
    if not node.edges:
        return ""
    value = planning.value(output if pure.is_pure(step) else step.output)
    for edge in node.edges:
        if edge.when is None or planning.holds(
            edge.when, _with_output(planning, edge.when, node.name, value)
        ):
            return edge.to
    return ""


def _with_output(planning: Planning, used: Template | Expression, name: str, output: Any) -> dict[str, Any]:
    """Binds what is read of ended nodes together with the output that is being completed."""
    names = names_used(used)
    wanted = planning.state.visits if names.all_nodes else names.nodes
    nodes = planning.nodes(other for other in wanted if other != name)
    nodes[name] = {"output": output, "visits": planning.state.visits.get(name, 0)}
    return {"nodes": nodes, "output": output}
