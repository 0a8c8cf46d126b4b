"""What a run has spent, and what is reserved and cannot be spent by another call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.runtime.state import RunState


def charge(state: RunState, data: dict[str, Any]) -> None:
    """Adds what an event says that was spent: `cost` and `tokens`."""
    state.spent += data.get("cost", 0)
    state.tokens += data.get("tokens", 0)


def reserve(state: RunState, amounts: Mapping[str, int], times: int) -> None:
    """Reserves amounts, limit by limit, so many times; with -1 they are free again."""
    state.reserved += amounts.get("cost", 0) * times
    state.reserved_tokens += amounts.get("tokens", 0) * times
