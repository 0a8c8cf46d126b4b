"""The journal's vocabulary: what can happen in a run.

Every event is a type and a JSON object. A fold over them (`reducer`) gives the state; nothing
else does. Types are never renamed and fields never change their meaning: a new meaning is a
new `REDUCER_VERSION`.

==================  =======================================================================
type                data
==================  =======================================================================
run.started         kind, name, tenant, labels, input, budget, parent?, session?, history?, depth?
step.started        step, node, kind, parent?, params?
effect.intent       effect, step, kind, target, arguments, attempt, reserve, reserve_tokens,
                    approval?, checks?
effect.outcome      effect, status, result | error, cost, tokens, …
step.retrying       step, attempt, error, timer
step.completed      step, output?, next?, undo?
step.failed         step, error, catch?
timer.set           timer, step, purpose, due
timer.fired         timer
approval.requested  approval, step, source, title, summary, data, hash, policy, expires, editable
approval.decided    approval, approved, by, comment, answer?, expired?
children.started    step, first, count, total, target, run?, reserve? (of each child, limit by limit)
child.finished      step, run, state, output?, error?, cost, tokens, slice (what it was given)
children.progress   step, done, failed, cost, tokens, slice (of all of them), error?
children.stopped    steps (whose children were told to stop)
children.joined     step, output
signal.received     name, payload
signal.awaited      step, name
signal.consumed     step, name
tools.pinned        tools (list or artifact reference)
message.appended    message, turn?, repair? | results (the calls it answers)
context.compacted   messages
cancel.requested    reason, by
run.stopping        reason, error
run.phase           phase, error? (of the run, if it has none)
run.parked          step, reason
run.paused          by, reason
run.resumed         by, resolution?
run.repinned        closure, changes
run.succeeded       output
run.failed          error
run.cancelled       error
run.timed-out       error
==================  =======================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RUN_STARTED = "run.started"
STEP_STARTED = "step.started"
EFFECT_INTENT = "effect.intent"
EFFECT_OUTCOME = "effect.outcome"
STEP_RETRYING = "step.retrying"
STEP_COMPLETED = "step.completed"
STEP_FAILED = "step.failed"
TIMER_SET = "timer.set"
TIMER_FIRED = "timer.fired"
APPROVAL_REQUESTED = "approval.requested"
APPROVAL_DECIDED = "approval.decided"
CHILDREN_STARTED = "children.started"
CHILD_FINISHED = "child.finished"
CHILDREN_PROGRESS = "children.progress"
CHILDREN_STOPPED = "children.stopped"
CHILDREN_JOINED = "children.joined"
SIGNAL_RECEIVED = "signal.received"
SIGNAL_AWAITED = "signal.awaited"
SIGNAL_CONSUMED = "signal.consumed"
TOOLS_PINNED = "tools.pinned"
MESSAGE_APPENDED = "message.appended"
CONTEXT_COMPACTED = "context.compacted"
CANCEL_REQUESTED = "cancel.requested"
RUN_STOPPING = "run.stopping"
RUN_PHASE = "run.phase"
RUN_PARKED = "run.parked"
RUN_PAUSED = "run.paused"
RUN_RESUMED = "run.resumed"
RUN_REPINNED = "run.repinned"
RUN_SUCCEEDED = "run.succeeded"
RUN_FAILED = "run.failed"
RUN_CANCELLED = "run.cancelled"
RUN_TIMED_OUT = "run.timed-out"

# Live only, never journalled.
MODEL_DELTA = "model.delta"
TOOL_PROGRESS = "tool.progress"

TERMINAL = {
    RUN_SUCCEEDED: "succeeded",
    RUN_FAILED: "failed",
    RUN_CANCELLED: "cancelled",
    RUN_TIMED_OUT: "timed-out",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `at` is Unix time in seconds, set by whoever appends."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)
    at: float = 0.0


def error_value(kind: str, message: str, **more: Any) -> dict[str, Any]:
    """Returns an error as data.

    Args:
        kind: its class: timeout, tool, model, validation, policy, budget, cancelled,
            expression, uncertain, unavailable, child, limit, internal.
        message: one sentence for people.
        more: node, step, details.
    """
    return {"class": kind, "message": message, **more}
