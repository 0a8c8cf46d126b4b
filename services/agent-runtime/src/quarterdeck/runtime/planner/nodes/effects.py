"""Steps that cause an effect: a tool call, a memory operation."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import Node
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.state import Step


def begin_tool(planning: Planning, step: Step, node: Node) -> Decision:
    """Records the intent to call a tool. A repeated step calls with the arguments of the first time."""
    params = step.params or _tool_params(planning, node)
    return intent(planning, step, "tool", params["target"], params["arguments"])


def _tool_params(planning: Planning, node: Node) -> dict[str, Any]:
    body = planning.render(node.template)
    target = {"server": body["server"], "tool": body["name"]}
    if node.timeout is not None:
        target["timeout"] = node.timeout
    if body.get("idempotencyKey"):
        target["key"] = body["idempotencyKey"]
    return {"target": target, "arguments": body.get("arguments") or {}}


def begin_memory(planning: Planning, step: Step, node: Node) -> Decision:
    """Records the intent of a memory operation: search, save or delete."""
    params = step.params or _memory_params(planning, node)
    return intent(planning, step, "memory", params["target"], params["arguments"])


def _memory_params(planning: Planning, node: Node) -> dict[str, Any]:
    body = planning.render(node.template)
    operation = next(name for name in ("search", "save", "delete") if body.get(name) is not None)
    return {
        "target": {"collection": body["collection"], "operation": operation},
        "arguments": body[operation],
    }


def intent(planning: Planning, step: Step, kind: str, target: dict[str, Any], arguments: Any) -> Decision:
    """Returns the intent of an effect. It is committed together with the outcome before it."""
    data: dict[str, Any] = {
        "effect": planning.next_effect_id(),
        "step": step.id,
        "kind": kind,
        "target": target,
        "arguments": arguments,
        "attempt": step.attempt,
    }
    if step.approved:
        data["approval"] = step.approved
    return Decision([ev.Event(ev.EFFECT_INTENT, data)])
