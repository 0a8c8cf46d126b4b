"""Runs that were taken over from a dead worker go first among those of their tenant and starter's priority.

While such a run waits, its place in the queue is half a step above its usual one: above every run of the same
priority, whatever its depth, and below those of the next higher one. So it is a strand of its own, which is
found, and claimed from, like any other. Who takes it puts it back to its usual place.
"""

from __future__ import annotations

from quarterdeck.runtime.constants import MAX_DEPTH, PRIORITY_STEP

AHEAD = PRIORITY_STEP // 2


def is_ahead(priority: int) -> bool:
    """Returns whether a place in the queue is that of a run that was taken over and waits."""
    return AHEAD - MAX_DEPTH <= priority % PRIORITY_STEP <= AHEAD


def usual(priority: int) -> int:
    """Returns the place that a run has when it was not taken over."""
    return priority - AHEAD if is_ahead(priority) else priority
