"""The journal of a run that ended without success, without what made it end. Pure.

What happened is kept: outcomes, answers of people, results of children. Left out are the stop itself and what
it was about: the cancel, the timeout that fired, the question that was withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import RUN_TIMEOUT
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.inbox_events import EXPIRY
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.reducer.approvals import resolution_of
from quarterdeck.runtime.state import RunState, Step

# What may still happen while a run stops, and is true whatever becomes of the run: outcomes come in, and what
# nobody knows is found out. (How its steps end then is another matter: in the new run they go on.)
_LATE = frozenset(
    {
        ev.EFFECT_INTENT,
        ev.EFFECT_OUTCOME,
        ev.STEP_RETRYING,
        ev.TIMER_SET,
        ev.TIMER_FIRED,
        ev.APPROVAL_REQUESTED,
        ev.APPROVAL_DECIDED,
        ev.CHILD_FINISHED,
        ev.CHILDREN_PROGRESS,
        ev.CHILDREN_JOINED,
        ev.SIGNAL_RECEIVED,
    }
)


class Undone(Exception):
    """Steps of the run were compensated: their outcomes are no longer true."""

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__(", ".join(nodes))
        self.nodes = list(nodes)


def what_still_holds(run_id: str, journal: Sequence[Event]) -> list[Event]:
    """Returns the events that are true for a run that goes on. Raises Undone."""
    events = _without_stop(journal)
    for leave_out in (_withdrawn_questions, _timeouts_of_open_steps, _failed_branches):
        gone = leave_out(events, fold(run_id, events))
        events = [event for index, event in enumerate(events) if index not in gone]
    if _is_refused_answer(events[-1:], journal):
        events.pop()
    return events


def _without_stop(journal: Sequence[Event]) -> list[Event]:
    """Leaves out the stop, what led to it from outside, and what followed from it."""
    stop = next((i for i, event in enumerate(journal) if _stops(event)), len(journal) - 1)
    after = journal[stop + 1 :]
    begun = [event.data for event in after if event.type == ev.STEP_STARTED]
    undone = [step["node"] for step in begun if step.get("undo")]
    if undone:
        raise Undone(undone)
    kept = [*journal[:stop], *_late(after)]
    return [event for event in kept if not _belongs_to_the_stop(event)]


def _stops(event: Event) -> bool:
    """True for what begins a stop; a failure inside `finally` is told by a phase with an error."""
    return event.type == ev.RUN_STOPPING or (event.type == ev.RUN_PHASE and "error" in event.data)


def _late(after: Iterable[Event]) -> list[Event]:
    """Returns the outcomes that came while the run stopped, with what an outcome brings along."""
    found = []
    for event in after:
        if event.type == ev.RUN_PHASE:
            break
        if event.type in _LATE or (event.type == ev.MESSAGE_APPENDED and "message" in event.data):
            found.append(event)
    return found


def _belongs_to_the_stop(event: Event) -> bool:
    """True for what asked for it, and for what children were told because of it."""
    run_timeout = event.type == ev.TIMER_FIRED and event.data["timer"] == RUN_TIMEOUT
    failed_late = event.type == ev.RUN_PHASE and bool(event.data.get("error"))
    return run_timeout or failed_late or event.type in (ev.CANCEL_REQUESTED, ev.CHILDREN_STOPPED)


def _withdrawn_questions(events: list[Event], state: RunState) -> set[int]:
    """Questions that nobody has answered, and the answer "I give up" to one about an unknown outcome."""
    asked = [event.data for event in events if event.type == ev.APPROVAL_REQUESTED]
    decided = [event.data for event in events if event.type == ev.APPROVAL_DECIDED]
    about_effects = {
        one["approval"] for one in asked if one["source"] == "effect" and one["step"] in state.steps
    }
    given_up = {one["approval"] for one in decided if one["approval"] in about_effects and _gives_up(one)}
    gone = state.approvals.keys() | given_up
    timers = {EXPIRY + approval for approval in gone}
    return {
        index
        for index, event in enumerate(events)
        if event.data.get("timer") in timers
        or (event.type in (ev.APPROVAL_REQUESTED, ev.APPROVAL_DECIDED) and event.data["approval"] in gone)
    }


def _gives_up(decision: dict[str, Any]) -> bool:
    return resolution_of(decision)[0] == "fail"


def _timeouts_of_open_steps(events: list[Event], state: RunState) -> set[int]:
    """Timeouts that fired for what is still to be done: it gets its time again."""
    late = {
        event.data["timer"]
        for event in events
        if event.type == ev.TIMER_SET and event.data["purpose"] == "timeout"
        if _ran_out(state, event.data["step"])
    }
    return {
        i for i, event in enumerate(events) if event.type == ev.TIMER_FIRED and event.data["timer"] in late
    }


def _ran_out(state: RunState, step_id: str) -> bool:
    """True also for a step whose child runs had failed before: they go on, and it waits for them."""
    step = state.steps.get(step_id)
    return step is not None and ((step.error or {}).get("class") == "timeout" or needs_children(step))


def needs_children(step: Step) -> bool:
    """True for a step whose child runs have not given it its result."""
    return step.children is not None and not step.children.joined and step.status in (st.CHILDREN, st.FAILED)


def _failed_branches(events: list[Event], state: RunState) -> set[int]:
    """Failures that nobody caught: of branches whose parallel is still open, and of the last step."""
    began = {event.data["step"]: i for i, event in enumerate(events) if event.type == ev.STEP_RETRYING}
    gone = set()
    for index, event in enumerate(events):
        if event.type != ev.STEP_FAILED or event.data.get("catch"):
            continue
        parent = event.data["step"].rpartition("/")[0]
        is_branch = parent in state.steps and index > began.get(parent, -1)
        if is_branch or index == len(events) - 1:
            gone.add(index)
    return gone


def _is_refused_answer(last: Sequence[Event], journal: Sequence[Event]) -> bool:
    """True for an agent's answer that was refused for good: the model is asked once more."""
    refused = any(
        event.type == ev.RUN_STOPPING and event.data["error"]["class"] == "validation" for event in journal
    )
    return refused and [(one.data.get("message") or {}).get("role") for one in last] == ["assistant"]
