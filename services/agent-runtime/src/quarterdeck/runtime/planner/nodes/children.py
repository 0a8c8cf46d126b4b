"""Steps that are child runs: an agent, another workflow, or one for each item of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import CHILD_PAGE, MAX_DEPTH, MAX_MAP_ITEMS
from quarterdeck.runtime.definition import Node
from quarterdeck.runtime.planner.planning import Decision, NewChild, Planning, StepRefused
from quarterdeck.runtime.state import Children, Step, child_key

KINDS = {"agent": "Agent", "workflow": "Workflow"}
DEFAULT_MAP_CONCURRENCY = 1000
# Steps that may start children ("use": an agent calls a tool or another agent), and those yet to do so.
_SPENDERS = ("agent", "workflow", "map", "use")
_NOT_BEGUN = (st.OPEN, st.DELAYED, st.PARKED, st.APPROVAL)


def begin_child(planning: Planning, step: Step, node: Node) -> Decision:
    """Starts one child run of an agent or a workflow."""
    body = step.params or planning.render(node.template)
    return one_child(
        planning, step, KINDS[node.kind], body["name"], body.get("input"), body.get("session") or ""
    )


def one_child(
    planning: Planning, step: Step, kind: str, name: str, value: Any, session: str = ""
) -> Decision:
    """Returns the start of a single child run. Raises StepRefused when runs are nested too deep.

    `shares` of the decision counts the child and the steps that may start children soon.
    """
    _refuse_too_deep(planning)
    run_id = planning.new_id()
    started = {
        "step": step.id,
        "first": 0,
        "count": 1,
        "total": 1,
        "target": {"kind": kind, "name": name},
        "run": run_id,
    }
    child = NewChild(run_id, child_key(step), kind, name, value, session=session)
    return Decision([ev.Event(ev.CHILDREN_STARTED, started)], [child], shares=1 + _to_begin(planning, step))


def begin_map(planning: Planning, step: Step, node: Node) -> Decision:
    """Starts the first page of a map's items; an empty list is done at once."""
    _refuse_too_deep(planning)
    items = _items(planning, node)
    if not items:
        return Decision([ev.Event(ev.CHILDREN_STARTED, _page(step, node, 0, 0, 0)), joined(step, [])])
    return _next_page(planning, step, node, items, Children(total=len(items)))


def continue_map(planning: Planning, step: Step, node: Node) -> Decision | None:
    """Starts another page when enough items have ended; None while there is nothing to start."""
    children = step.children
    if children is None or children.started >= children.total or children.failed > _tolerated(node):
        return None
    if children.outstanding > concurrency(node) // 2:
        return None
    return _next_page(planning, step, node, _items(planning, node), children)


def map_is_over(step: Step, node: Node) -> bool:
    """True when no item is at work and none will be started."""
    children = step.children
    if children is None or children.outstanding:
        return False
    return children.started >= children.total or children.failed > _tolerated(node)


def map_error(step: Step, node: Node) -> dict[str, Any] | None:
    """Returns the error of a map more of whose items failed than it tolerates."""
    children = step.children
    if children is None or children.failed <= _tolerated(node):
        return None
    first = (children.error or {}).get("message", "")
    return ev.error_value(
        "child", f"{children.failed} of {children.total} items failed; the first: {first}", node=node.name
    )


def joined(step: Step, output: Any) -> ev.Event:
    """Returns the event that carries the collected results of a map, in the order of its items."""
    return ev.Event(ev.CHILDREN_JOINED, {"step": step.id, "output": output})


def concurrency(node: Node) -> int:
    """Returns how many items of a map may be at work together."""
    return int(node.body.get("maxConcurrency") or DEFAULT_MAP_CONCURRENCY)


def _tolerated(node: Node) -> int:
    return int(node.body.get("tolerateFailures") or 0)


def _items(planning: Planning, node: Node) -> list[Any]:
    items = planning.value(planning.render(node.template))
    if not isinstance(items, list):
        message = f"items of map {node.name} is {type(items).__name__}, not a list"
        raise StepRefused("validation", message, node=node.name)
    if len(items) > MAX_MAP_ITEMS:
        message = f"map {node.name} has {len(items)} items; the limit is {MAX_MAP_ITEMS}"
        raise StepRefused("limit", message, node=node.name)
    return items


def _refuse_too_deep(planning: Planning) -> None:
    if planning.state.depth >= MAX_DEPTH:
        raise StepRefused("limit", f"runs may call each other {MAX_DEPTH} deep, no deeper", limit="depth")


def _next_page(planning: Planning, step: Step, node: Node, items: list[Any], children: Children) -> Decision:
    first = children.started
    room = max(1, concurrency(node) - children.outstanding)
    count = min(CHILD_PAGE, room, children.total - first)
    new = [_item(planning, step, node, items, index) for index in range(first, first + count)]
    started = ev.Event(ev.CHILDREN_STARTED, _page(step, node, first, count, children.total))
    places = min(room, children.total - first)  # later pages of this round get as much
    return Decision([started], new, shares=places + _to_begin(planning, step))


def _to_begin(planning: Planning, step: Step) -> int:
    """Returns how many other steps may still begin children of their own: they get a share, too."""
    others = (other for other in planning.state.steps.values() if other.id != step.id)
    return sum(other.kind in _SPENDERS and other.status in _NOT_BEGUN for other in others)


def _page(step: Step, node: Node, first: int, count: int, total: int) -> dict[str, Any]:
    kind, name = target(node)
    return {
        "step": step.id,
        "first": first,
        "count": count,
        "total": total,
        "target": {"kind": kind, "name": name},
    }


def target(node: Node) -> tuple[str, str]:
    """Returns (kind, name) of a map's body; a tool body is a workflow of one node made on the spot."""
    if node.body.get("agent"):
        return "Agent", str(node.body["agent"])
    if node.body.get("workflow"):
        return "Workflow", str(node.body["workflow"])
    return "Workflow", f"{node.name}!item"


def one_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the workflow that makes a tool call which is its input: data, never a template itself."""
    return {"nodes": [{"name": "call", "tool": {field: f"${{input.{field}}}" for field in sorted(call)}}]}


def _item(planning: Planning, step: Step, node: Node, items: list[Any], index: int) -> NewChild:
    extra = {"item": items[index], "index": index}
    kind, name = target(node)
    inline = None
    if node.body.get("tool"):
        value = planning.render(node.parts["tool"], extra)
        inline = one_call(value)
    else:
        value = planning.render(node.parts["input"], extra)
    return NewChild(planning.new_id(), child_key(step), kind, name, value, index=index, inline=inline)
