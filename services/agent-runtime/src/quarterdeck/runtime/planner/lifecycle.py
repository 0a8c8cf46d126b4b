"""How a run ends: stop what is open, undo, finally, finish. The same for workflows and agents."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import LOOK, PARK_RETRY_FIRST, PARK_RETRY_MOST, RUN_TIMEOUT
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.state import RunState


def stopping(state: RunState, error: dict[str, Any]) -> Decision:
    """Begins to stop: open waits and questions are closed, children are told to stop."""
    runs = [step.children.run for step in state.steps.values() if step.children and step.children.run]
    return Decision([ev.Event(ev.RUN_STOPPING, {"error": error})], cancel_runs=runs)


def wanted_stop(state: RunState) -> dict[str, Any] | None:
    """Returns the error that a cancel or the run's timeout asks it to stop with."""
    return state.cancel or state.stop


def phase(name: str, error: dict[str, Any] | None = None) -> Decision:
    """Enters a phase; with an error, the run will fail with it if it has none yet."""
    return Decision([ev.Event(ev.RUN_PHASE, {"phase": name, **({"error": error} if error else {})})])


def finish(planning: Planning, output: Any) -> Decision:
    """Ends the run: with `output`, or with the error it was stopped by."""
    error = planning.state.error
    if error is None:
        return Decision([ev.Event(ev.RUN_SUCCEEDED, {"output": output})])
    if error["class"] == "cancelled":
        return Decision([ev.Event(ev.RUN_CANCELLED, {"error": error})])
    if error["class"] == "timeout" and error.get("run"):
        return Decision([ev.Event(ev.RUN_TIMED_OUT, {"error": error})])
    return Decision([ev.Event(ev.RUN_FAILED, {"error": error})])


def is_quiet(state: RunState) -> bool:
    """True when nothing outside is at work for this run."""
    return not state.effects and not state.open_children


def timer(step: str, purpose: str, due: float, name: str = "") -> ev.Event:
    """Returns the event that sets a timer; its id is unique in the run."""
    timer_id = name or f"{purpose}:{step}:{due:.3f}"
    return ev.Event(ev.TIMER_SET, {"timer": timer_id, "step": step, "purpose": purpose, "due": due})


def run_timeout(planning: Planning, timeout: float | None) -> list[ev.Event]:
    """Returns the event that sets the run's own timeout, if it has one and it is not set yet.

    It counts from the first plan, not from the beginning that is recorded: a fork's is its origin's.
    """
    if timeout is None or RUN_TIMEOUT in planning.state.timers:
        return []
    return [timer("", RUN_TIMEOUT, planning.now + timeout, RUN_TIMEOUT)]


def timeout_again(planning: Planning) -> Decision | None:
    """Sets the run's timeout again that fired while the run rested, once the run is at work."""
    clock = planning.state.worktime
    if clock.left is None or clock.resting_since is not None:
        return None
    return Decision([timer("", RUN_TIMEOUT, planning.now + clock.left, RUN_TIMEOUT)])


def look_again(planning: Planning, step: st.Step) -> Decision | None:
    """Something live is missing: sets a timer to look again, less and less often."""
    timers = planning.state.timers
    if any(timers[name]["purpose"] == "retry" for name in step.timers if name in timers):
        return None
    delay = min(PARK_RETRY_FIRST * 2 ** min(max(step.parks - 1, 0), 10), PARK_RETRY_MOST)
    due = planning.now + delay
    return Decision([timer(step.id, "retry", due, f"{LOOK}{step.id}:{due:.3f}")])
