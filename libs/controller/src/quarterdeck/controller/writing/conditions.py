"""Conditions of a status: what is true of an object, why, and since when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_REASON = re.compile(r"[A-Za-z](?:[A-Za-z0-9_,:]*[A-Za-z0-9_])?")
# What the API server's own schema for conditions allows.
LONGEST_REASON, LONGEST_MESSAGE = 1024, 32768

Stored = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as a controller finds it.

    Attributes:
        type: as `Ready`.
        status: True, False, or None for unknown.
        reason: one word for programs, the same for the same cause, as `ImageNotFound`.
        message: for people: what is wrong, where, and what to do.
    """

    type: str
    status: bool | None
    reason: str
    message: str = ""

    def __post_init__(self) -> None:
        if not _REASON.fullmatch(self.reason) or len(self.reason) > LONGEST_REASON:
            raise ValueError(f"{self.reason!r} is no reason: write one word, as ImageNotFound")


def updated(
    stored: Sequence[Mapping[str, Any]], found: Iterable[Condition], generation: int, now: str
) -> list[Stored]:
    """Returns the conditions of a status after what was found now.

    The time of a condition changes only with its status. Conditions that were not looked at stay as they are.

    Args:
        stored: as the status has them.
        generation: of the object as it was looked at.
        now: RFC 3339 in seconds.
    """
    before = {str(each["type"]): dict(each) for each in stored}
    for condition in found:
        before[condition.type] = _merged(before.get(condition.type), condition, generation, now)
    return list(before.values())


def _merged(old: Stored | None, condition: Condition, generation: int, now: str) -> Stored:
    status = {True: "True", False: "False", None: "Unknown"}[condition.status]
    same = old is not None and old.get("status") == status
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message[:LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and same else now,
    }


def find(stored: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """Returns the condition of a type, if there is one."""
    return next((each for each in stored if each.get("type") == kind), None)
