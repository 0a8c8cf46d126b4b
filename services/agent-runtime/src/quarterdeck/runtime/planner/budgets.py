"""Money and tokens flow down a tree of runs in slices; a call reserves before it is made. Pure.

Amounts are {"cost": millionths of a US dollar, "tokens": n}; a limit that is not set is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.runtime.events import error_value
from quarterdeck.runtime.state import Effect, RunState

_HINT = "see what it did in its journal; limits of the Agent, budget of the Workflow, or its caller's, set it"


@dataclass(frozen=True, slots=True)
class Reserve:
    """The most that one effect may take: millionths of a US dollar, and tokens."""

    cost: int = 0
    tokens: int = 0

    def __add__(self, other: Reserve) -> Reserve:
        """Both of them."""
        return Reserve(self.cost + other.cost, self.tokens + other.tokens)


def remaining(state: RunState) -> dict[str, int]:
    """Returns what a run may still reserve: what is neither spent nor reserved."""
    left = {}
    if "cost" in state.budget:
        left["cost"] = max(0, state.budget["cost"] - state.spent - state.reserved)
    if "tokens" in state.budget:
        left["tokens"] = max(0, state.budget["tokens"] - state.tokens - state.reserved_tokens)
    return left


def room_of(state: RunState, effect: Effect) -> dict[str, int]:
    """Returns what an effect may take at most: what it reserved, and what nobody has reserved."""
    own = {"cost": effect.reserve, "tokens": effect.reserve_tokens}
    return {what: left + own[what] for what, left in remaining(state).items()}


def refusal(budget: Mapping[str, int], room: Mapping[str, int], wanted: Reserve) -> dict[str, Any] | None:
    """Returns the error of an effect that may take more than there is room for; None if it may be made."""
    if wanted.cost > room.get("cost", wanted.cost):
        message = (
            f"this turn may cost {_dollars(wanted.cost)} US dollars; "
            f"{_dollars(room['cost'])} of {_dollars(budget['cost'])} are left"
        )
        return error_value("budget", message, limit="cost", hint=_HINT)
    if wanted.tokens > room.get("tokens", wanted.tokens):
        message = (
            f"this turn may take {wanted.tokens} tokens; {room['tokens']} of {budget['tokens']} are left"
        )
        return error_value("budget", message, limit="tokens", hint=_HINT)
    return None


def _dollars(cost: int) -> str:
    return f"{cost / 1e6:.6f}"


def slice_of(state: RunState, own: Mapping[str, int], shares: int) -> dict[str, int]:
    """Returns what one new child gets and its parent reserves.

    Args:
        own: the child's own limits; it gets no more than these.
        shares: among how many children and steps that may begin soon the rest is divided.
    """
    return {what: min(left // shares, own.get(what, left)) for what, left in remaining(state).items()}


def narrower(own: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """Returns the smaller of two budgets, limit by limit."""
    names = own.keys() | given.keys()
    return {name: min(budget[name] for budget in (own, given) if name in budget) for name in names}
