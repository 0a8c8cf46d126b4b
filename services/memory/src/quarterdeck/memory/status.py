"""A MemoryCollection's status: the one place that computes it."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.memory.constants import CONDITION_READY
from quarterdeck.memory.store import Collection


def ready(record: Collection, points: int) -> dict[str, Any]:
    """Returns the status of a collection that works. `lastTransitionTime` is still missing."""
    space = f"{record.provider} {record.model}, {record.size} dimensions"
    return {
        "conditions": [_condition("True", "Available", f"embedded by {space}")],
        "points": points,
        "embedding": record.provider,
        "dimensions": record.size,
    }


def failing(error: QuarterdeckError) -> dict[str, Any]:
    """Returns the status of a collection that does not work, or not as the spec asks."""
    message = error.message + (f"; {error.hint}" if error.hint else "")
    return {"conditions": [_condition("False", error.reason, message)]}


def completed(
    status: dict[str, Any], previous: dict[str, Any], generation: int, now: float
) -> dict[str, Any] | None:
    """Adds generation and times to a status; None if the object says all of it already.

    Args:
        status: of `ready` or `failing`.
        previous: the object's status.
        generation: the object's.
        now: Unix time.
    """
    condition = {**status["conditions"][0], "observedGeneration": generation}
    old: dict[str, Any] = next(
        (c for c in previous.get("conditions", []) if c["type"] == condition["type"]), {}
    )
    since = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
    condition["lastTransitionTime"] = since or rfc3339(now)
    fields = {name: value for name, value in status.items() if name not in {"conditions", "points"}}
    unchanged = old == condition and all(previous.get(name) == value for name, value in fields.items())
    return None if unchanged else {**status, "conditions": [condition]}


def recounted(previous: dict[str, Any], generation: int, points: int) -> dict[str, Any] | None:
    """Returns the status with another number of points; None if that is said already, or is not to be said.

    Args:
        previous: the object's status.
        generation: the object's.
        points: how many there are now.
    """
    ready = next((c for c in previous.get("conditions", []) if c["type"] == CONDITION_READY), None)
    works = ready is not None and ready["status"] == "True" and ready.get("observedGeneration") == generation
    if not works or previous.get("points") == points:
        return None
    kept: dict[str, Any] = {name: previous[name] for name in ("embedding", "dimensions") if name in previous}
    return {**kept, "conditions": [ready], "points": points}


def _condition(value: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": CONDITION_READY, "status": value, "reason": reason, "message": message}
