"""Money and tokens flow down a tree of runs in slices. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck.runtime.state import RunState


def remaining(state: RunState) -> dict[str, int]:
    """Returns what a run may still spend: {"cost": millionths of a US dollar, "tokens": n}, if limited."""
    left = {}
    if "cost" in state.budget:
        left["cost"] = max(0, state.budget["cost"] - state.spent - state.reserved)
    if "tokens" in state.budget:
        left["tokens"] = max(0, state.budget["tokens"] - state.tokens)
    return left


def child_budget(state: RunState, step_id: str) -> dict[str, int]:
    """Returns the slice of one new child: what is left, shared among all children at work.

    Children that are at work hold a slice of the same size, so that together they can never
    spend more than there is.
    """
    at_work = max(1, state.open_children)
    return {what: left // at_work for what, left in remaining(state).items()}


def narrower(own: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """Returns the smaller of two budgets, limit by limit."""
    names = own.keys() | given.keys()
    return {name: min(budget[name] for budget in (own, given) if name in budget) for name in names}
