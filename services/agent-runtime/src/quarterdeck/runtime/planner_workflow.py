"""What a workflow's run does next. Pure: state in, events out, one decision at a time."""

from __future__ import annotations

from typing import Any

from quarterdeck.resources.errors import ExpressionError
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import lifecycle, recovery
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import DEFAULT_RETRY_ATTEMPTS
from quarterdeck.runtime.definition import Node, RetryRule, WorkflowDefinition
from quarterdeck.runtime.nodes import children, effects, pure, waits
from quarterdeck.runtime.planning import Decision, Planning, expression_problem
from quarterdeck.runtime.state import Step

_BEGIN = {
    "tool": effects.begin_tool,
    "memory": effects.begin_memory,
    "agent": children.begin_child,
    "workflow": children.begin_child,
    "map": children.begin_map,
    "approval": waits.begin_approval,
    "wait": waits.begin_wait,
}

# How often an undo is tried when its node says nothing.
_UNDO_RETRY = (RetryRule(frozenset(), DEFAULT_RETRY_ATTEMPTS, 1.0, 2.0, 30.0, 0.1, None),)


def decide(planning: Planning) -> Decision | None:
    """Returns what follows from the state, or None when the run waits for something outside."""
    state = planning.state
    if state.phase == st.FINISHED:
        return None
    if state.phase == st.STOPPING:
        return _stop(planning)
    error = lifecycle.wanted_stop(state)
    if state.phase == st.FORWARD and error is not None:
        return lifecycle.stopping(state, error)
    for step in list(state.steps.values()):
        decision = _advance(planning, step)
        if decision is not None:
            return decision
    return None if state.steps else _between_steps(planning)


def _definition(planning: Planning) -> WorkflowDefinition:
    definition = planning.definition
    assert isinstance(definition, WorkflowDefinition)
    return definition


def _between_steps(planning: Planning) -> Decision | None:
    """No step is open: begin, undo, go to `finally`, or end."""
    state, definition = planning.state, _definition(planning)
    if state.phase == st.FORWARD:
        if not state.visits:
            timeout = lifecycle.run_timeout(planning, definition.timeout)
            started = _enter(planning, definition.start)
            return Decision(timeout + started.events)
        return lifecycle.phase(st.FINALLY)
    if state.phase == st.COMPENSATING and state.undo:
        undo = state.undo[-1]
        data = {
            "step": undo["step"],
            "node": undo["node"],
            "kind": undo["kind"],
            "params": undo["params"],
            "undo": True,
        }
        return Decision([ev.Event(ev.STEP_STARTED, data)])
    if state.phase == st.COMPENSATING:
        return lifecycle.phase(st.FINALLY)
    if definition.final and definition.final not in state.visits:
        return _enter(planning, definition.final)
    if not lifecycle.is_quiet(state):
        return None
    return _finish(planning)


def _finish(planning: Planning) -> Decision:
    definition, state = _definition(planning), planning.state
    if state.error is not None:
        return lifecycle.finish(planning, None)
    if definition.output is None:
        return lifecycle.finish(planning, state.outputs.get(state.last_node))
    try:
        return lifecycle.finish(planning, planning.render(definition.output))
    except ExpressionError as error:
        problem = ev.error_value("expression", f"output: {error}")
        return Decision([ev.Event(ev.RUN_FAILED, {"error": problem})])


def _stop(planning: Planning) -> Decision | None:
    """Waits until nothing is in flight; what succeeded meanwhile can still be undone."""
    state = planning.state
    for step in state.steps.values():
        if step.status == st.DONE and not step.parent:
            return Decision([_completed(planning, step, _node(planning, step), None)])
    if not lifecycle.is_quiet(state):
        return None
    return lifecycle.phase(st.COMPENSATING)


def _advance(planning: Planning, step: Step) -> Decision | None:
    try:
        return _advance_by_status(planning, step)
    except ExpressionError as error:
        return _fail(planning, step, expression_problem(error, step))
    except children.MapItemsError as error:
        return _fail(planning, step, ev.error_value("validation", str(error), node=step.node))


def _advance_by_status(planning: Planning, step: Step) -> Decision | None:
    node = _node(planning, step)
    if step.status == st.OPEN:
        return _begin(planning, step, node)
    if step.status == st.DONE:
        return _complete(planning, step, node)
    if step.status == st.FAILED:
        return _recover(planning, step, node)
    if step.status == st.CHILDREN and node.kind == "map":
        return _continue_map(planning, step, node)
    if step.status == st.WAITING:
        return _continue_wait(planning, step, node)
    if step.status == st.PARKED:
        return lifecycle.look_again(planning, step)
    return None


def _begin(planning: Planning, step: Step, node: Node) -> Decision:
    if node.kind == "transform":
        output = pure.transform_output(planning, node)
        return _complete(planning, step, node, output)
    if node.kind == "decision":
        return _complete(planning, step, node, {"to": pure.decided_edge(planning, node)})
    if node.kind == "parallel":
        started = [pure.step_started(f"{step.id}/{branch.name}", branch, step.id) for branch in node.branches]
        return Decision(_timeout(planning, step, node) + started)
    decision = _BEGIN[node.kind](planning, step, node)
    decision.events[:0] = _timeout(planning, step, node)
    return decision


def _timeout(planning: Planning, step: Step, node: Node) -> list[ev.Event]:
    """Returns the timer of a node's timeout. A tool's timeout travels with the call instead."""
    if node.timeout is None or node.kind in ("tool", "memory"):
        return []
    return [lifecycle.timer(step.id, "timeout", planning.now + node.timeout)]


def _complete(planning: Planning, step: Step, node: Node, output: Any = None) -> Decision:
    """Ends a step and opens the next one."""
    if step.parent or _is_undo(step):
        data: dict[str, Any] = {"step": step.id}
        if _is_undo(step):
            data["undo_of"] = step.node
        if pure.is_pure(step):
            data["output"] = output
        return Decision([ev.Event(ev.STEP_COMPLETED, data)])
    following = _following(planning, node, output, step)
    completed = _completed(planning, step, node, following, output)
    if not following:
        return Decision([completed])
    entered = _enter(planning, following)
    return Decision([completed, *entered.events]) if entered.events[0].type == ev.STEP_STARTED else entered


def _completed(
    planning: Planning, step: Step, node: Node, following: str | None, output: Any = None
) -> ev.Event:
    data: dict[str, Any] = {"step": step.id}
    if pure.is_pure(step):
        data["output"] = output
    if following:
        data["next"] = following
    if node.undo is not None:
        data["undo"] = _undo(planning, step, node.undo)
    return ev.Event(ev.STEP_COMPLETED, data)


def _undo(planning: Planning, step: Step, undo: Node) -> dict[str, Any]:
    """Renders a compensation now, while what the step did is known exactly."""
    state = planning.state
    extra = {"output": planning.value(step.output)}
    nodes = {name: {"output": planning.value(value)} for name, value in state.outputs.items()}
    nodes[step.node] = {"output": extra["output"]}
    body = planning.render(undo.template, {**extra, "nodes": nodes} if not undo.template.constant else None)
    if undo.kind == "tool":
        params = {
            "target": {"server": body["server"], "tool": body["name"]},
            "arguments": body.get("arguments") or {},
        }
    else:
        params = body
    return {"step": f"{step.id}!undo", "node": node_name(step.id), "kind": undo.kind, "params": params}


def node_name(step_id: str) -> str:
    """Returns the node of a visit's id ("book#2" is a visit of "book")."""
    return step_id.split("#", 1)[0]


def _is_undo(step: Step) -> bool:
    return step.id.endswith("!undo")


def _following(planning: Planning, node: Node, output: Any, step: Step) -> str:
    if node.kind == "decision":
        return str(output["to"])
    if not node.edges:
        return ""
    value = output if pure.is_pure(step) else step.output
    for edge in node.edges:
        if edge.when is None or planning.holds(edge.when, _with_output(planning, node.name, value)):
            return edge.to
    return ""


def _with_output(planning: Planning, name: str, output: Any) -> dict[str, Any]:
    """Binds the outputs so far together with the one that is being completed."""
    nodes = {key: {"output": planning.value(value)} for key, value in planning.state.outputs.items()}
    nodes[name] = {"output": planning.value(output)}
    return {"nodes": nodes, "output": nodes[name]["output"]}


def _enter(planning: Planning, name: str) -> Decision:
    """Opens a visit of a node, or stops the run when the node was visited as often as it may be."""
    node = _definition(planning).nodes[name]
    if node.max_visits is not None and planning.state.visits.get(name, 0) >= node.max_visits:
        message = f"node {name} was visited {node.max_visits} times, its maxVisits"
        return lifecycle.stopping(planning.state, ev.error_value("limit", message, node=name))
    return Decision([pure.step_started(pure.visit_id(planning, node), node)])


def _recover(planning: Planning, step: Step, node: Node) -> Decision:
    error = step.error or {}
    if error.get("status") == "needs_approval":
        return _ask_for_tool(planning, step, error)
    if error.get("status") == "not_done":
        return recovery.again(planning, step, 0)
    if error.get("status") == "uncertain":
        decision = recovery.after_uncertainty(planning, step)
        if decision is not None:
            return decision
    rules = _UNDO_RETRY if _is_undo(step) else node.retry
    return recovery.retry(planning, step, rules) or _fail(planning, step, error)


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


def _fail(planning: Planning, step: Step, error: dict[str, Any]) -> Decision:
    """Goes to the node that catches this class, gives the error to the parent, or stops the run."""
    node = _node(planning, step)
    error = {**error, "node": error.get("node", step.node), "step": step.id}
    failed: dict[str, Any] = {"step": step.id, "error": error}
    cancelled = (
        [step.children.run] if step.children and step.children.run and step.children.outstanding else []
    )
    if _is_undo(step):
        return Decision([ev.Event(ev.STEP_FAILED, {**failed, "undo_of": step.node})], cancel_runs=cancelled)
    if step.parent:
        return Decision([ev.Event(ev.STEP_FAILED, failed)], cancel_runs=cancelled)
    for catch in node.catch:
        if error["class"] in catch.errors or not catch.errors or "*" in catch.errors:
            entered = _enter(planning, catch.to)
            if entered.events[0].type != ev.STEP_STARTED:
                return entered
            failed["catch"] = catch.to
            return Decision([ev.Event(ev.STEP_FAILED, failed), *entered.events], cancel_runs=cancelled)
    if planning.state.phase == st.FORWARD:
        return lifecycle.stopping(planning.state, error)
    return Decision([ev.Event(ev.STEP_FAILED, failed)], cancel_runs=cancelled)


def _continue_map(planning: Planning, step: Step, node: Node) -> Decision | None:
    if children.map_is_over(step, node):
        error = children.map_error(step, node)
        return None if error is None else _recover_with(planning, step, node, error)
    return children.continue_map(planning, step, node)


def joinable_steps(planning: Planning) -> list[Step]:
    """Returns the maps all of whose items ended well, whose results are to be collected."""
    found = []
    for step in planning.state.steps.values():
        if step.status != st.CHILDREN or step.kind != "map":
            continue
        node = _node(planning, step)
        if children.map_is_over(step, node) and children.map_error(step, node) is None:
            found.append(step)
    return found


def _recover_with(planning: Planning, step: Step, node: Node, error: dict[str, Any]) -> Decision:
    step_with_error = _failed_copy(step, error)
    return recovery.retry(planning, step_with_error, node.retry) or _fail(planning, step, error)


def _failed_copy(step: Step, error: dict[str, Any]) -> Step:
    from dataclasses import replace

    return replace(step, error=error)


def _continue_wait(planning: Planning, step: Step, node: Node) -> Decision | None:
    if node.kind == "parallel":
        return _continue_parallel(planning, step, node)
    return waits.take_signal(planning, step)


def _continue_parallel(planning: Planning, step: Step, node: Node) -> Decision | None:
    """Joins: `all` waits for every branch and fails with the first error, `any` takes the first success."""
    outputs: dict[str, Any] = step.output or {}
    open_branches = [planning.state.steps[b] for b in step.branches if b in planning.state.steps]
    succeeded = (
        [name for name, value in outputs.items() if value is not None] if step.error else list(outputs)
    )
    if node.body.get("join") == "any" and succeeded:
        runs = [b.children.run for b in open_branches if b.children and b.children.run]
        return Decision([children.joined(step, outputs)], cancel_runs=runs)
    if open_branches:
        return None
    if step.error is not None:
        return _recover_with(planning, step, node, step.error)
    return Decision([children.joined(step, {b.name: outputs.get(b.name) for b in node.branches})])


def _node(planning: Planning, step: Step) -> Node:
    nodes = _definition(planning).nodes
    if _is_undo(step):
        undo = nodes[node_name(step.node)].undo
        assert undo is not None
        return undo
    if step.parent:
        parent = nodes[node_name(step.parent)]
        return next(branch for branch in parent.branches if branch.name == step.node)
    return nodes[step.node]
