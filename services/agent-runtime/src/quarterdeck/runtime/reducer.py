"""The fold: `apply(state, event)` is the only place where a run's state changes.

It looks at nothing but its arguments. An event it does not know is an error: a worker that
is too old must not guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.state import AgentState, Children, Effect, RunState, Step, child_key


class UnknownEvent(Exception):
    """The journal holds an event of a newer version."""


def fold(run_id: str, journal: Iterable[ev.Event], state: RunState | None = None) -> RunState:
    """Returns the state after `journal`, starting from `state` or from nothing."""
    folded = state or RunState(run_id=run_id)
    for event in journal:
        apply(folded, event)
    return folded


def apply(state: RunState, event: ev.Event) -> None:
    """Folds one event into `state`. Raises UnknownEvent."""
    handler = _HANDLERS.get(event.type)
    if handler is None:
        raise UnknownEvent(f"{event.type} is not an event of reducer version {state.version}")
    handler(state, event.data, event.at)
    state.seq += 1


def _run_started(state: RunState, data: dict[str, Any], at: float) -> None:
    state.kind, state.name, state.tenant = data["kind"], data["name"], data["tenant"]
    state.labels = data.get("labels", {})
    state.session = data.get("session", "")
    state.depth = data.get("depth", 0)
    state.input = data.get("input")
    state.budget = data.get("budget", {})
    state.history = data.get("history", [])
    state.started_at = at
    if state.kind == "Agent":
        state.agent = AgentState()


def _step_started(state: RunState, data: dict[str, Any], at: float) -> None:
    step = Step(data["step"], data["node"], data["kind"], data.get("parent", ""), began_at=at)
    step.params = data.get("params")
    state.steps[step.id] = step
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.branches.append(step.id)
        parent.status = st.WAITING
    elif not data.get("undo"):
        state.visits[step.node] = state.visits.get(step.node, 0) + 1


def _effect_intent(state: RunState, data: dict[str, Any], at: float) -> None:
    effect = Effect(
        data["effect"],
        data["step"],
        data["kind"],
        data["target"],
        data.get("arguments"),
        data.get("attempt", 1),
        data.get("reserve", 0),
        data.get("approval", ""),
        data.get("checks", ""),
        data.get("reserve_tokens", 0),
    )
    state.effects[effect.id] = effect
    state.effect_count += 1
    _reserve(state, {"cost": effect.reserve, "tokens": effect.reserve_tokens}, 1)
    step = state.steps[effect.step]
    step.status, step.effect, step.reason = st.EFFECT, effect.id, ""
    if effect.kind in ("tool", "memory"):
        step.params = {"target": effect.target, "arguments": effect.arguments}


def _effect_outcome(state: RunState, data: dict[str, Any], at: float) -> None:
    effect = state.effects.pop(data["effect"])
    _reserve(state, {"cost": effect.reserve, "tokens": effect.reserve_tokens}, -1)
    _charge(state, data)
    step = state.steps.get(effect.step)
    if step is None or step.effect != effect.id:  # it belongs to an attempt that was given up
        return
    step.effect = ""
    status = data["status"]
    step.uncertain = (step.uncertain or effect.id) if status == "uncertain" else ""
    if status == "ok":
        step.status, step.output, step.error = st.DONE, data.get("result"), None
        if effect.kind == "model" and state.agent is not None:
            _model_answered(state.agent, data)
            _close(state, step.id)
    elif status == "unavailable":
        step.status, step.error, step.parks = st.PARKED, data["error"], step.parks + 1
        step.reason = data["error"].get("message", "")
    else:
        step.status, step.error = st.FAILED, {**data["error"], "status": status}


def _model_answered(agent: AgentState, data: dict[str, Any]) -> None:
    agent.turn += 1
    agent.stop_reason = data.get("stop_reason", "")
    agent.last_input_tokens = data.get("input_tokens", 0)


def _charge(state: RunState, data: dict[str, Any]) -> None:
    state.spent += data.get("cost", 0)
    state.tokens += data.get("tokens", 0)


def _reserve(state: RunState, amounts: Mapping[str, int], times: int) -> None:
    state.reserved += amounts.get("cost", 0) * times
    state.reserved_tokens += amounts.get("tokens", 0) * times


def _step_retrying(state: RunState, data: dict[str, Any], at: float) -> None:
    step = state.steps[data["step"]]
    _let_go(state, step)
    step.attempt = data["attempt"]
    step.status = st.DELAYED if data.get("timer") else st.OPEN
    step.output, step.error, step.effect, step.approval, step.children = None, None, "", "", None
    step.approved = ""  # an approval is for one call
    step.branches, step.timers = [], []


def _step_completed(state: RunState, data: dict[str, Any], at: float) -> None:
    step = _close(state, data["step"])
    output = data.get("output", step.output)
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.output = {**(parent.output or {}), step.node: output}
    elif not data.get("undo_of"):
        state.outputs[step.node] = output
        state.last_node = step.node
        state.handled = None if data.get("next") is None else state.handled
    if data.get("undo") is not None:
        state.undo.append(data["undo"])
    if data.get("undo_of") is not None and state.undo:
        state.undo.pop()


def _step_failed(state: RunState, data: dict[str, Any], at: float) -> None:
    step = _close(state, data["step"])
    if data.get("catch"):
        state.handled = state.errors[step.node] = data["error"]
    if data.get("undo_of") is not None and state.undo:
        state.undo.pop()
    if step.parent and step.parent in state.steps:
        parent = state.steps[step.parent]
        parent.error = parent.error or data["error"]
        parent.output = {**(parent.output or {}), step.node: None}


def _close(state: RunState, step_id: str) -> Step:
    """Takes a step out, with everything that waits for it."""
    step = state.steps.pop(step_id)
    _let_go(state, step)
    return step


def _let_go(state: RunState, step: Step) -> None:
    """Forgets what a step waits for: branches, timers, its question. Children at work leave by themselves."""
    for branch in step.branches:
        if branch in state.steps:
            _close(state, branch)
    for timer in step.timers:
        state.timers.pop(timer, None)
    if step.approval:
        state.approvals.pop(step.approval, None)
    if step.children and step.children.outstanding:
        state.leaving[child_key(step)] = step.children


def _timer_set(state: RunState, data: dict[str, Any], at: float) -> None:
    state.timers[data["timer"]] = {"step": data["step"], "purpose": data["purpose"], "due": data["due"]}
    step = state.steps.get(data["step"])
    if step is None:
        return
    step.timers.append(data["timer"])
    if data["purpose"] == "wait":
        step.status = st.WAITING


def _timer_fired(state: RunState, data: dict[str, Any], at: float) -> None:
    timer = state.timers.pop(data["timer"], None)
    if timer is None:
        return
    step = state.steps.get(timer["step"])
    purpose = timer["purpose"]
    if step is None:
        if purpose == "run-timeout" and state.stop is None:
            state.stop = ev.error_value("timeout", "the run took longer than its timeout", run=True)
        return
    step.timers.remove(data["timer"])
    if purpose == "retry" and step.status in (st.DELAYED, st.PARKED):
        step.status, step.reason = st.OPEN, ""
    elif purpose == "wait" and step.status == st.WAITING:
        step.status = st.DONE
    elif purpose == "timeout" and step.status not in (st.DONE, st.FAILED):
        step.status = st.FAILED
        step.error = ev.error_value("timeout", f"{step.node} took longer than its timeout", node=step.node)


def _approval_requested(state: RunState, data: dict[str, Any], at: float) -> None:
    step = state.steps[data["step"]]
    step.status, step.approval = st.APPROVAL, data["approval"]
    step.reason = data["source"]
    if data["source"] == "tool":
        step.params = data["params"]
    state.approvals[data["approval"]] = step.id


def _approval_decided(state: RunState, data: dict[str, Any], at: float) -> None:
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
    answer = data.get("answer") or {}
    resolution = answer.get("resolution") or ("retry" if data["approved"] else "fail")
    if resolution != "retry":
        step.uncertain = ""
    if resolution == "done":
        step.status, step.output, step.error = st.DONE, answer.get("outcome"), None
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


def _children_started(state: RunState, data: dict[str, Any], at: float) -> None:
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
    _reserve(state, given, data["count"])


def _child_finished(state: RunState, data: dict[str, Any], at: float) -> None:
    ok = data["state"] == "succeeded"
    children = state.children_of(data["step"])
    if children is None or children.run != data["run"]:
        _charge(state, data)
        return
    _children_ended(state, data["step"], children, int(ok), int(not ok), data)
    step = state.step_of_children(data["step"])
    if step is None:
        return
    if ok:  # perhaps in spite of a timeout
        step.status, step.output, step.error = st.DONE, data.get("output"), None
    else:
        step.status = st.FAILED if step.status != st.DONE else step.status
        step.error = step.error or data.get("error") or ev.error_value("child", f"child run {data['state']}")


def _children_progress(state: RunState, data: dict[str, Any], at: float) -> None:
    children = state.children_of(data["step"])
    if children is None:
        _charge(state, data)
        return
    children.error = children.error or data.get("error")
    _children_ended(state, data["step"], children, data["done"], data["failed"], data)
    step = state.step_of_children(data["step"])
    if step is not None and step.status == st.FAILED and children.done == children.total:
        step.status, step.error = st.CHILDREN, None  # all have succeeded, in spite of a timeout


def _children_stopped(state: RunState, data: dict[str, Any], at: float) -> None:
    for step_id in data["steps"]:
        children = state.steps[step_id].children
        if children is not None:
            children.told = True


def _children_ended(
    state: RunState, key: str, children: Children, done: int, failed: int, data: dict[str, Any]
) -> None:
    """Counts children that have ended: what they took is spent, what they were given is free again."""
    children.done += done
    children.failed += failed
    _charge(state, data)
    given = data.get("slice") or {}
    over = children.outstanding <= 0
    freed = {what: held if over else min(held, given.get(what, 0)) for what, held in children.held.items()}
    _reserve(state, freed, -1)
    children.held = {what: held - freed[what] for what, held in children.held.items()}
    if over:
        state.leaving.pop(key, None)


def _children_joined(state: RunState, data: dict[str, Any], at: float) -> None:
    step = state.steps.get(data["step"])
    if step is None:  # closed while its results were being collected
        return
    step.status, step.output = st.DONE, data["output"]
    if step.children is not None:
        step.children.joined = True


def _signal_received(state: RunState, data: dict[str, Any], at: float) -> None:
    state.signals.setdefault(data["name"], []).append(data.get("payload"))


def _signal_consumed(state: RunState, data: dict[str, Any], at: float) -> None:
    waiting = state.signals[data["name"]]
    payload = waiting.pop(0)
    if not waiting:
        del state.signals[data["name"]]
    step = state.steps[data["step"]]
    step.status, step.output = st.DONE, payload


def _signal_awaited(state: RunState, data: dict[str, Any], at: float) -> None:
    step = state.steps[data["step"]]
    step.status, step.params = st.WAITING, {"signal": data["name"]}


def _tools_pinned(state: RunState, data: dict[str, Any], at: float) -> None:
    if state.agent is not None:
        state.agent.tools = data["tools"]


def _message_appended(state: RunState, data: dict[str, Any], at: float) -> None:
    if state.agent is not None:
        if "results" in data:
            state.agent.messages.append(_tool_results(state, data["results"]))
            state.outputs.clear()
        else:
            state.agent.messages.append(data["message"])
        state.agent.repaired = state.agent.repaired or bool(data.get("repair"))


def _tool_results(state: RunState, use_ids: list[str]) -> dict[str, Any]:
    """Returns the message that answers an agent's calls, in the order of the calls."""
    return {"role": "user", "content": [_tool_result(use_id, state.outputs[use_id]) for use_id in use_ids]}


def _tool_result(use_id: str, output: Any) -> dict[str, Any]:
    failed = isinstance(output, dict) and set(output) == {"$error"}
    content = output["$error"] if failed else output
    return {"type": "toolResult", "toolUseId": use_id, "content": content, "isError": failed}


def _context_compacted(state: RunState, data: dict[str, Any], at: float) -> None:
    if state.agent is not None:
        state.agent.messages = list(data["messages"])
        state.agent.last_input_tokens = 0


def _cancel_requested(state: RunState, data: dict[str, Any], at: float) -> None:
    state.cancel = state.cancel or ev.error_value(
        "cancelled", data.get("reason") or "cancelled", by=data.get("by", "")
    )
    state.paused = None  # who stops a run wants it undone now


def _run_stopping(state: RunState, data: dict[str, Any], at: float) -> None:
    state.phase, state.error = st.STOPPING, data["error"]
    for step in list(state.steps.values()):
        if step.id in state.steps and not _outlasts_stop(state, step):
            _close(state, step.id)


def _outlasts_stop(state: RunState, step: Step) -> bool:
    """True for what is at work outside, what nobody knows, and what has ended: that may have to be undone."""
    if step.status in (st.EFFECT, st.CHILDREN, st.DONE) or step.uncertain:
        return True
    if step.children and step.children.outstanding:
        return True
    return any(_outlasts_stop(state, state.steps[b]) for b in step.branches if b in state.steps)


def _run_phase(state: RunState, data: dict[str, Any], at: float) -> None:
    state.phase = data["phase"]
    state.error = state.error or data.get("error")
    if state.phase in (st.COMPENSATING, st.FINALLY):
        for step_id in list(state.steps):
            if step_id in state.steps:
                _close(state, step_id)


def _run_parked(state: RunState, data: dict[str, Any], at: float) -> None:
    step = state.steps.get(data.get("step", ""))
    if step is not None:
        step.status, step.reason = st.PARKED, data["reason"]


def _run_paused(state: RunState, data: dict[str, Any], at: float) -> None:
    state.paused = data


def _run_resumed(state: RunState, data: dict[str, Any], at: float) -> None:
    state.paused = None
    for step in state.steps.values():
        if step.status == st.PARKED:
            step.status, step.reason = st.OPEN, ""


def _run_repinned(state: RunState, data: dict[str, Any], at: float) -> None:
    _run_resumed(state, data, at)


def _finished(outcome: str) -> Callable[[RunState, dict[str, Any], float], None]:
    def finish(state: RunState, data: dict[str, Any], at: float) -> None:
        state.phase, state.outcome, state.paused = st.FINISHED, outcome, None
        state.output, state.error = data.get("output"), data.get("error")
        state.steps.clear()
        state.timers.clear()
        state.approvals.clear()
        state.effects.clear()
        state.leaving.clear()
        state.reserved = state.reserved_tokens = 0

    return finish


_HANDLERS: dict[str, Callable[[RunState, dict[str, Any], float], None]] = {
    ev.RUN_STARTED: _run_started,
    ev.STEP_STARTED: _step_started,
    ev.EFFECT_INTENT: _effect_intent,
    ev.EFFECT_OUTCOME: _effect_outcome,
    ev.STEP_RETRYING: _step_retrying,
    ev.STEP_COMPLETED: _step_completed,
    ev.STEP_FAILED: _step_failed,
    ev.TIMER_SET: _timer_set,
    ev.TIMER_FIRED: _timer_fired,
    ev.APPROVAL_REQUESTED: _approval_requested,
    ev.APPROVAL_DECIDED: _approval_decided,
    ev.CHILDREN_STARTED: _children_started,
    ev.CHILD_FINISHED: _child_finished,
    ev.CHILDREN_PROGRESS: _children_progress,
    ev.CHILDREN_STOPPED: _children_stopped,
    ev.CHILDREN_JOINED: _children_joined,
    ev.SIGNAL_RECEIVED: _signal_received,
    ev.SIGNAL_CONSUMED: _signal_consumed,
    ev.SIGNAL_AWAITED: _signal_awaited,
    ev.TOOLS_PINNED: _tools_pinned,
    ev.MESSAGE_APPENDED: _message_appended,
    ev.CONTEXT_COMPACTED: _context_compacted,
    ev.CANCEL_REQUESTED: _cancel_requested,
    ev.RUN_STOPPING: _run_stopping,
    ev.RUN_PHASE: _run_phase,
    ev.RUN_PARKED: _run_parked,
    ev.RUN_PAUSED: _run_paused,
    ev.RUN_RESUMED: _run_resumed,
    ev.RUN_REPINNED: _run_repinned,
    **{name: _finished(outcome) for name, outcome in ev.TERMINAL.items()},
}
