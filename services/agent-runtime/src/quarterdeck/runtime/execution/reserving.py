"""Adds to a decision what it cannot know: what its effects may cost, and the slices of its children.

A reservation rides in the event that announces the work. An effect that does not fit stops its
run instead of being made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner import budgets
from quarterdeck.runtime.planner.budgets import Reserve
from quarterdeck.runtime.planner.planning import Decision, NewChild
from quarterdeck.runtime.state import Effect, RunState


class Costly(Protocol):
    """A performer whose effects cost something."""

    async def estimate(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> Reserve:
        """Returns the most that the effect may take; nothing for one that cannot be made."""


async def with_reservations(
    engine: Engine, facts: RunFacts, definition: Definition, state: RunState, decision: Decision
) -> Decision:
    """Returns the decision with its reservations; what does not fit is replaced by the end of the run."""
    if decision.children:
        await _give_slices(engine, facts, state, decision)
    for place, event in enumerate(decision.events):
        if event.type != ev.EFFECT_INTENT:
            continue
        costly = _costly(engine, event)
        if costly is not None:
            wanted = await costly.estimate(facts, definition, state, _effect(event))
            decision.events[place] = _reserved(state, event, wanted)
            if decision.events[place].type == ev.RUN_STOPPING:
                del decision.events[place + 1 :]
                break
    return decision


def _costly(engine: Engine, event: Event) -> Costly | None:
    """Returns who performs what the event announces, if that costs something.

    (`isinstance` with a protocol looks at all of its class; every step comes by here.)
    """
    performer: Any = engine.performers.get(event.data["kind"])
    return performer if hasattr(performer, "estimate") else None


def _effect(event: Event) -> Effect:
    data = event.data
    return Effect(data["effect"], data["step"], data["kind"], data["target"], data.get("arguments"), 1)


def _reserved(state: RunState, event: Event, wanted: Reserve) -> Event:
    problem = budgets.refusal(state.budget, budgets.remaining(state), wanted)
    if problem is not None:
        return Event(ev.RUN_STOPPING, {"error": {**problem, "step": event.data["step"]}})
    return Event(event.type, {**event.data, "reserve": wanted.cost, "reserve_tokens": wanted.tokens})


async def _give_slices(engine: Engine, facts: RunFacts, state: RunState, decision: Decision) -> None:
    """All children of one decision get the same slice; it stands in the event that announces them."""
    own = await _own_limits(engine, facts, decision.children[0])
    given = budgets.slice_of(state, own, decision.shares)
    decision.children = [replace(child, budget=given) for child in decision.children]
    for place, event in enumerate(decision.events):
        if event.type == ev.CHILDREN_STARTED and given:
            decision.events[place] = Event(event.type, {**event.data, "reserve": given})


async def _own_limits(engine: Engine, facts: RunFacts, child: NewChild) -> dict[str, int]:
    if child.inline is not None:
        return {}
    definition = await engine.definition(facts.tenant_id, facts.closure, child.kind, child.name)
    return dict(definition.budget)
