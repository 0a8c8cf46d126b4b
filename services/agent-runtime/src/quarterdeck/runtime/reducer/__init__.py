"""The fold: `apply(state, event)` is the only place where a run's state changes.

It looks at nothing but its arguments. An event it does not know is an error: a worker that
is too old must not guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.reducer import agents, approvals, children, effects, runs, steps, waiting, worktime
from quarterdeck.runtime.state import RunState

# (state, data of the event, when it happened): changes the state.
Handler = Callable[[RunState, dict[str, Any], float], None]


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
    if state.agent is not None:
        worktime.account(state, event.at)
    state.seq += 1


_HANDLERS: dict[str, Handler] = {
    ev.RUN_STARTED: runs.started,
    ev.STEP_STARTED: steps.started,
    ev.EFFECT_INTENT: effects.intended,
    ev.EFFECT_OUTCOME: effects.ended,
    ev.STEP_RETRYING: steps.retrying,
    ev.STEP_COMPLETED: steps.completed,
    ev.STEP_FAILED: steps.failed,
    ev.TIMER_SET: waiting.timer_set,
    ev.TIMER_FIRED: waiting.timer_fired,
    ev.APPROVAL_REQUESTED: approvals.requested,
    ev.APPROVAL_DECIDED: approvals.decided,
    ev.CHILDREN_STARTED: children.started,
    ev.CHILD_FINISHED: children.finished,
    ev.CHILDREN_PROGRESS: children.progressed,
    ev.CHILDREN_STOPPED: children.stopped,
    ev.CHILDREN_JOINED: children.joined,
    ev.SIGNAL_RECEIVED: waiting.signal_received,
    ev.SIGNAL_CONSUMED: waiting.signal_consumed,
    ev.SIGNAL_AWAITED: waiting.signal_awaited,
    ev.TOOLS_PINNED: agents.tools_pinned,
    ev.MESSAGE_APPENDED: agents.message_appended,
    ev.CONTEXT_COMPACTED: agents.context_compacted,
    ev.CANCEL_REQUESTED: runs.cancel_requested,
    ev.RUN_STOPPING: runs.stopping,
    ev.RUN_PHASE: runs.phase_entered,
    ev.RUN_PARKED: runs.parked,
    ev.RUN_PAUSED: runs.paused,
    ev.RUN_RESUMED: runs.resumed,
    ev.RUN_REPINNED: runs.repinned,
    **{name: runs.finished(outcome) for name, outcome in ev.TERMINAL.items()},
}
