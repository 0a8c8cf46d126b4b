"""What is left to do of a run that ended without success: its journal without what made it end. Pure.

The steps that had failed are opened again; one whose last effect has no known outcome is given back to the
policy "ask", so that a person decides before anything is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.operations.rest_without import needs_children, what_still_holds
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.state import RunState, Step, child_key

_UNKNOWN = ("uncertain", "abandoned")
# Statuses of an error after which the planner asks a person, without being told to try again.
_ASKED_ABOUT = ("uncertain", "needs_approval")


@dataclass(frozen=True, slots=True)
class Family:
    """Child runs that a step still needs. `run` is set when there is exactly one."""

    key: str
    run: str


@dataclass(slots=True)
class Carried:
    """What became of a family in the new run: its one child's new id, or how many items of a map are done.

    `output` is what the one child gave, when it had succeeded and its parent had not heard of it.
    """

    run: str = ""
    done: int = 0
    output: Any = None


@dataclass(slots=True)
class Rest:
    """A journal to go on from. `uncertain` are steps about whose last effect a person is asked."""

    events: list[Event]
    state: RunState
    families: list[Family]
    uncertain: list[str] = field(default_factory=list)


def rest_of(run_id: str, journal: Sequence[Event]) -> Rest:
    """Returns what is left of a run that is over, before its children are known.

    Raises:
        Undone: something of it was compensated.
    """
    events = _ask_about_unknown(what_still_holds(run_id, journal))
    state = fold(run_id, events)
    families = [_family(step) for step in state.steps.values() if needs_children(step)]
    return Rest(events, state, families)


def go_on(run_id: str, rest: Rest, carried: dict[str, Carried], by: str, parent: str, old: str) -> Rest:
    """Returns the whole journal that the new run begins with.

    Args:
        carried: by key of the family.
        by: who asks for it.
        parent: id of the new run's parent; empty for a root.
        old: id of the run that failed.
    """
    events = [_adopted(event, parent) for event in _with_children(rest, carried)]
    state = fold(run_id, events)
    fixes = list(_fixes(state))
    fixes.append(Event(ev.RUN_RESUMED, {"by": by, "retry_of": old}))
    uncertain = [step.id for step in state.steps.values() if _is_unknown(step)]
    return Rest([*events, *fixes], fold(run_id, fixes, state), rest.families, uncertain)


# -- what is not known -----------------------------------------------------------------------------


def _ask_about_unknown(events: list[Event]) -> list[Event]:
    """Gives outcomes that nobody knows to the policy "ask", if nothing followed from them."""
    intents = {event.data["effect"]: event.data for event in events if event.type == ev.EFFECT_INTENT}
    followed = {
        event.data["step"]: index for index, event in enumerate(events) if event.type == ev.STEP_RETRYING
    }
    return [
        _asked(event, intents[event.data["effect"]])
        if event.type == ev.EFFECT_OUTCOME
        and event.data["status"] in _UNKNOWN
        and index > followed.get(intents[event.data["effect"]]["step"], -1)
        else event
        for index, event in enumerate(events)
    ]


def _asked(outcome: Event, intent: dict[str, Any]) -> Event:
    error = outcome.data["error"]
    if intent["kind"] not in ("tool", "check"):  # asking a model or a memory again harms nobody
        return replace(outcome, data={**outcome.data, "status": "error"})
    effect = intent.get("checks") or intent["effect"]
    told = {**error, "class": "uncertain", "effect": error.get("effect") or effect, "policy": "ask"}
    return replace(outcome, data={**outcome.data, "status": "uncertain", "error": told})


def _is_unknown(step: Step) -> bool:
    return step.status == st.FAILED and (step.error or {}).get("status") == "uncertain"


# -- children --------------------------------------------------------------------------------------


def _family(step: Step) -> Family:
    assert step.children is not None
    return Family(child_key(step), step.children.run)


def _with_children(rest: Rest, carried: dict[str, Carried]) -> list[Event]:
    """Puts the new children in the place of the old ones, and counts those that are done."""
    renamed = {family.run: carried[family.key].run for family in rest.families if family.run}
    counted = {family.key for family in rest.families}
    events = []
    for event in rest.events:
        old = str(event.data.get("run", ""))
        if event.type == ev.CHILD_FINISHED and old in renamed:
            continue
        if event.type == ev.CHILDREN_PROGRESS and event.data["step"] in counted:
            continue
        renames = event.type == ev.CHILDREN_STARTED and old in renamed
        events.append(replace(event, data={**event.data, "run": renamed[old]}) if renames else event)
    shares = {
        event.data["step"]: event.data.get("reserve") or {}
        for event in rest.events
        if event.type == ev.CHILDREN_STARTED
    }
    single = {family.key for family in rest.families if family.run}
    for key, child in carried.items():
        if child.done and key in single:
            ended = {"step": key, "run": child.run, "state": "succeeded", "output": child.output}
            events.append(Event(ev.CHILD_FINISHED, {**ended, "cost": 0, "tokens": 0}))
        elif child.done:
            share = shares.get(key.rpartition("@")[0] or key, {})
            free = {what: amount * child.done for what, amount in share.items()}
            done = {"step": key, "done": child.done, "failed": 0, "cost": 0, "tokens": 0, "slice": free}
            events.append(Event(ev.CHILDREN_PROGRESS, done))
    return events


def _adopted(event: Event, parent: str) -> Event:
    if event.type != ev.RUN_STARTED or not parent:
        return event
    return replace(event, data={**event.data, "parent": parent})


# -- opening again ---------------------------------------------------------------------------------


def _fixes(state: RunState) -> Iterable[Event]:
    yield from _left_behind(state)
    for step in list(state.steps.values()):
        yield from _in_flight(state, step)
        if _is_opened_again(state, step):
            yield Event(ev.STEP_RETRYING, {"step": step.id, "attempt": 1, "error": step.error})


def _left_behind(state: RunState) -> Iterable[Event]:
    """Ends what steps had moved on without, such as the loser of a race: it ended with the old run."""
    for key, children in state.leaving.items():
        ended = {"step": key, "done": 0, "failed": children.outstanding, "cost": 0, "tokens": 0}
        yield Event(ev.CHILDREN_PROGRESS, {**ended, "slice": children.held})
    for effect in state.effects.values():
        step = state.steps.get(effect.step)
        if step is None or step.effect != effect.id:
            lost = ev.error_value("uncertain", "the run ended while this was in flight", effect=effect.id)
            yield Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": "abandoned", "error": lost})


def _in_flight(state: RunState, step: Step) -> Iterable[Event]:
    """Ends an effect whose outcome was never recorded; its call id belonged to the old run."""
    effect = state.effects.get(step.effect)
    if step.status != st.EFFECT or effect is None:
        return
    lost = ev.error_value("uncertain", "the run ended while this was in flight", effect=effect.id)
    intent = {"effect": effect.id, "kind": effect.kind, "checks": effect.checks}
    outcome = Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": "abandoned", "error": lost})
    yield _asked(outcome, intent)
    if effect.kind not in ("tool", "check"):
        yield Event(ev.STEP_RETRYING, {"step": step.id, "attempt": 1, "error": lost})


def _is_opened_again(state: RunState, step: Step) -> bool:
    """True for a step that failed, unless the planner will ask a person or, in an agent, tell the model."""
    if step.status != st.FAILED or (step.error or {}).get("status") in _ASKED_ABOUT:
        return False
    return state.kind != "Agent" or step.kind == "model"
