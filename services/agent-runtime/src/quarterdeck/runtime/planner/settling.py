"""What was given up but is still at work: it is waited for, and what nobody knows is found out. Pure.

A run that stops, and an attempt that took too long, end when nothing of them is at work outside and
no effect of theirs is uncertain: only then is it known what there is to undo.
"""

from __future__ import annotations

from collections.abc import Iterator

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.planner import lifecycle, recovery
from quarterdeck.runtime.planner.nodes.effects import intent
from quarterdeck.runtime.planner.planning import Decision, Planning
from quarterdeck.runtime.state import RunState, Step, child_key


def is_settled(state: RunState) -> bool:
    """True when nothing outside is at work for this run and every outcome is known, or given up."""
    return lifecycle.is_quiet(state) and not any(step.uncertain for step in state.steps.values())


def find_out(planning: Planning, step: Step) -> Decision | None:
    """Follows the policy of an uncertain effect whose step goes nowhere any more; None: nothing to do."""
    if not step.uncertain:
        return None
    if step.status == st.OPEN:  # to be tried again, with the same arguments
        target = (step.params or {})["target"]
        kind = "memory" if "collection" in target else "tool"
        return intent(planning, step, kind, target, (step.params or {}).get("arguments"))
    if step.status in (st.PARKED, st.DELAYED):
        return lifecycle.look_again(planning, step)
    if step.status != st.FAILED:
        return None
    if (step.error or {}).get("status") in st.NOT_MADE:  # it may not be tried again: only a person can tell
        return recovery.ask_about_effect(planning, step)
    given_up = Decision([ev.Event(ev.STEP_FAILED, {"step": step.id, "error": step.error})])
    return recovery.after_uncertainty(planning, step) or given_up


def abandoned_by(state: RunState, step: Step) -> bool:
    """True for a branch whose parallel has failed and waits for it to come to rest."""
    return step.parent in state.steps and state.steps[step.parent].status == st.FAILED


def at_rest(state: RunState, step: Step) -> bool:
    """True when a step and its branches have nothing at work outside, and nothing to find out."""
    return not any(
        one.status == st.EFFECT or one.uncertain or (one.children and one.children.outstanding)
        for one in _family(state, step)
    )


def stop_children(state: RunState, step: Step) -> Decision | None:
    """Tells the children of a failed step and of its branches to stop; None when they were told."""
    told = [one for one in _family(state, step) if one.children and one.children.outstanding]
    told = [one for one in told if one.children and not one.children.told]
    if not told:
        return None
    stopped = ev.Event(ev.CHILDREN_STOPPED, {"steps": [one.id for one in told]})
    return Decision([stopped], cancel_children_of=[child_key(one) for one in told])


def _family(state: RunState, step: Step) -> Iterator[Step]:
    yield step
    yield from (state.steps[branch] for branch in step.branches if branch in state.steps)
