"""What a workflow's run does next. Pure: state in, events out, one decision at a time."""

from __future__ import annotations

from typing import Any

from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.templates import Template, names_used
from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.definition import Node, WorkflowDefinition
from quarterdeck.runtime.planner import lifecycle, settling
from quarterdeck.runtime.planner.nodes import children, effects, pure, waits
from quarterdeck.runtime.planner.planning import Decision, Planning, StepRefused, expression_problem
from quarterdeck.runtime.planner.workflow_failures import fail, recover
from quarterdeck.runtime.planner.workflow_paths import (
    completed,
    definition_of,
    enter,
    following_node,
    goes_on,
    is_undo,
    node_of,
)
from quarterdeck.runtime.state import RunState, Step, child_key

_BEGIN = {
    "tool": effects.begin_tool,
    "memory": effects.begin_memory,
    "agent": children.begin_child,
    "workflow": children.begin_child,
    "map": children.begin_map,
    "approval": waits.begin_approval,
    "wait": waits.begin_wait,
}


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


def joinable_steps(planning: Planning) -> list[Step]:
    """Returns the maps all of whose items ended well, whose results are to be collected."""
    found = []
    for step in planning.state.steps.values():
        if step.status == st.CHILDREN and step.kind == "map":
            node = node_of(planning, step)
            if children.map_is_over(step, node) and children.map_error(step, node) is None:
                found.append(step)
    return found


# -- between steps: begin, undo, finally, end ------------------------------------------------------


def _between_steps(planning: Planning) -> Decision | None:
    phase = planning.state.phase
    if phase == st.FORWARD:
        return _end_of_path(planning) if planning.state.visits else _first_step(planning)
    if phase == st.COMPENSATING:
        return _next_undo(planning) or lifecycle.phase(st.FINALLY)
    final = definition_of(planning).final
    if final and final not in planning.state.visits:
        return enter(planning, final)
    return _finish(planning) if lifecycle.is_quiet(planning.state) else None


def _first_step(planning: Planning) -> Decision:
    definition = definition_of(planning)
    timeout = lifecycle.run_timeout(planning, definition.timeout)
    return Decision(timeout + enter(planning, definition.start).events)


def _end_of_path(planning: Planning) -> Decision:
    """Goes on to `finally`. An output that cannot be made fails the run before that, like any failure.

    (One that reads what only `finally` gives is not known before the end.)
    """
    definition, state = definition_of(planning), planning.state
    if definition.output is not None and _is_ready(definition, definition.output, state):
        try:
            planning.render(definition.output)
        except ExpressionError as error:
            return lifecycle.stopping(state, expression_problem(error, "output"))
    return lifecycle.phase(st.FINALLY)


def _is_ready(definition: WorkflowDefinition, output: Template, state: RunState) -> bool:
    used = names_used(output)
    return not definition.final or (not used.all_nodes and used.nodes <= state.visits.keys())


def _next_undo(planning: Planning) -> Decision | None:
    if not planning.state.undo:
        return None
    undo = planning.state.undo[-1]
    data = {name: undo[name] for name in ("step", "node", "kind", "params")}
    return Decision([ev.Event(ev.STEP_STARTED, {**data, "undo": True})])


def _finish(planning: Planning) -> Decision:
    definition, state = definition_of(planning), planning.state
    if state.error is not None:
        return lifecycle.finish(planning, None)
    if definition.output is None:
        return lifecycle.finish(planning, state.outputs.get(state.last_node))
    try:
        return lifecycle.finish(planning, planning.render(definition.output))
    except ExpressionError as error:
        return lifecycle.stopping(state, expression_problem(error, "output"))


def _stop(planning: Planning) -> Decision | None:
    """Waits until nothing is in flight or unknown; what succeeded meanwhile can still be undone."""
    for step in planning.state.steps.values():
        decision = _wind_up(planning, step)
        if decision is not None:
            return decision
    if joinable_steps(planning):  # the undo of a map sees what its items gave
        return None
    return lifecycle.phase(st.COMPENSATING) if settling.is_settled(planning.state) else None


def _wind_up(planning: Planning, step: Step) -> Decision | None:
    """Advances a step that begins nothing new: it ends if it is done, and is found out if nobody knows."""
    return _ended(planning, step) if step.status == st.DONE else settling.find_out(planning, step)


def _ended(planning: Planning, step: Step) -> Decision:
    """Ends a step that goes nowhere. One that cannot say how to undo it fails, and the others are undone."""
    try:
        return Decision([completed(planning, step, node_of(planning, step), None)])
    except ExpressionError as error:
        failed = {"step": step.id, "error": expression_problem(error, step.node)}
        return Decision([ev.Event(ev.STEP_FAILED, failed)])


# -- one step --------------------------------------------------------------------------------------


def _advance(planning: Planning, step: Step) -> Decision | None:
    try:
        return _advance_by_status(planning, step)
    except ExpressionError as error:
        return fail(planning, step, expression_problem(error, step.node))
    except StepRefused as refused:
        return fail(planning, step, refused.error)


def _advance_by_status(planning: Planning, step: Step) -> Decision | None:
    if settling.abandoned_by(planning.state, step):
        return _wind_up(planning, step)
    node = node_of(planning, step)
    if step.status == st.OPEN:
        return _begin(planning, step, node)
    if step.status == st.DONE:
        return _complete(planning, step, node)
    if step.status == st.FAILED:
        return recover(planning, step, step.error or {})
    if step.status == st.CHILDREN and node.kind == "map":
        return _continue_map(planning, step, node)
    if step.status == st.WAITING:
        return _continue_wait(planning, step, node)
    if step.status in (st.PARKED, st.DELAYED):
        return lifecycle.look_again(planning, step)
    return None


def _begin(planning: Planning, step: Step, node: Node) -> Decision:
    if node.kind == "transform":
        return _complete(planning, step, node, pure.transform_output(planning, node))
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
    if step.parent or is_undo(step):
        return Decision([completed(planning, step, node, None, output)])
    following = following_node(planning, node, output, step)
    ended = completed(planning, step, node, following, output)
    if not following:
        return Decision([ended])
    opened = enter(planning, following)
    return Decision([ended, *opened.events]) if goes_on(opened) else opened


def _continue_map(planning: Planning, step: Step, node: Node) -> Decision | None:
    if not children.map_is_over(step, node):
        return children.continue_map(planning, step, node)
    error = children.map_error(step, node)
    return None if error is None else recover(planning, step, error)


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
        keys = [child_key(branch) for branch in open_branches if branch.children]
        return Decision([children.joined(step, outputs)], cancel_children_of=keys)
    if open_branches:
        return None
    if step.error is not None:
        return recover(planning, step, step.error)
    return Decision([children.joined(step, {b.name: outputs.get(b.name) for b in node.branches})])
