"""How long an agent has been at work: what its timeout counts.

Not counted is the time in which the run has nothing in flight and waits for people, for its child runs
(which have timeouts of their own), or for something live that is gone; nor the time in which it is paused.
The timer of the timeout is not moved for that. When it fires, what was waited since it was set is what is
left, and the planner sets it again once the agent is at work.
"""

from __future__ import annotations

from quarterdeck.runtime import state as st
from quarterdeck.runtime.state import RunState

_RESTING = frozenset({st.APPROVAL, st.CHILDREN, st.PARKED})


def account(state: RunState, at: float) -> None:
    """Follows the state after an event that happened at `at` (Unix time, seconds)."""
    clock, resting = state.worktime, is_resting(state)
    if resting and clock.resting_since is None:
        clock.resting_since = at
    elif not resting and clock.resting_since is not None:
        clock.rested += max(0.0, at - clock.resting_since)
        clock.resting_since = None


def is_resting(state: RunState) -> bool:
    """True while nothing is done for the run, and not for want of time."""
    if state.effects or state.phase != st.FORWARD:
        return False
    return state.paused is not None or any(step.status in _RESTING for step in state.steps.values())


def timer_set(state: RunState) -> None:
    """The timer of the timeout was set: rest is counted from here on."""
    state.worktime = st.WorkTime()


def has_left(state: RunState, at: float) -> bool:
    """The timer has fired: returns True if the run has rested meanwhile, and notes for how long."""
    clock = state.worktime
    resting = 0.0 if clock.resting_since is None else max(0.0, at - clock.resting_since)
    state.worktime = st.WorkTime(left=clock.rested + resting or None)
    return state.worktime.left is not None
