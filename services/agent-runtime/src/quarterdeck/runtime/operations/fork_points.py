"""Where a journal can be cut: between what a run was told and what it made of it. Pure.

What a plan makes of a state is several events (a step ends and the next one begins; a step waits and its
timer is set), and half of them would be a state that no plan ever left behind. So a fork keeps what came from
outside up to the chosen point, and plans anew what followed from the last of that.
"""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.events import Event

# Events that no plan makes.
_TOLD = frozenset(
    {
        ev.RUN_STARTED,
        ev.EFFECT_OUTCOME,
        ev.TIMER_FIRED,
        ev.APPROVAL_DECIDED,
        ev.CHILD_FINISHED,
        ev.CHILDREN_PROGRESS,
        ev.CHILDREN_JOINED,
        ev.SIGNAL_RECEIVED,
        ev.TOOLS_PINNED,
        ev.CANCEL_REQUESTED,
        ev.RUN_PAUSED,
        ev.RUN_RESUMED,
        ev.RUN_REPINNED,
    }
)


def cut(events: Sequence[Event]) -> int:
    """Returns how many of these events, the beginning of a journal, a fork keeps."""
    for length in range(len(events), 1, -1):
        if _was_told(events, length - 1):
            return length
    return min(1, len(events))


def _was_told(events: Sequence[Event], index: int) -> bool:
    if events[index].type in _TOLD:
        return True
    # What a model said comes with the outcome of its turn.
    says = events[index].type == ev.MESSAGE_APPENDED
    return says and index > 0 and is_turn(events[index - 1])


def is_turn(event: Event) -> bool:
    """True for the outcome of a model's turn, which is nothing without the message that follows."""
    return event.type == ev.EFFECT_OUTCOME and bool(event.data.get("stop_reason"))
