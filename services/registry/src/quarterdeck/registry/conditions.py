"""Conditions: what the registry says about an object, as pure functions over data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.registry.constants import (
    ACCEPTED,
    MAX_CONDITION_MESSAGE,
    MAX_NAMED_PROBLEMS,
    NAMESPACE_READY,
    READY,
    REASON_ACCEPTED,
    REASON_DOES_NOT_FIT,
    REASON_INVALID_SPEC,
    REASON_NAMESPACE_PENDING,
    REASON_NOT_ACCEPTED,
    REASON_NOT_ENFORCED,
    REASON_NOT_FOUND,
    REASON_PENDING,
    REASON_READY,
    REASON_RESOLVED,
    REASON_SUSPENDED,
    REASON_TOOLS_NOT_LISTED,
    REASON_UNRESOLVED,
    RESOLVED_REFS,
)

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a field's path and what about it; `reason` as in a condition."""

    path: str
    message: str
    reason: str = REASON_INVALID_SPEC

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `status` is "True", "False" or "Unknown"."""

    type: str
    status: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions of an object follow from.

    Args:
        accepted: the written spec is the one in force.
        missing: references that do not resolve.
        pending: references of which nobody knows yet whether they resolve.
        misfits: expressions that do not fit what the objects that are named give by now.
        not_enforced: what the spec asks and nothing enforces yet.
        owner_reports_ready: another service writes `Ready` of this kind.
        housed: why a Tenant of a cluster has no namespace, or not yet; None if it has, or needs none.
    """

    accepted: bool = True
    missing: Sequence[Problem] = ()
    pending: Sequence[Problem] = ()
    misfits: Sequence[Problem] = ()
    not_enforced: Sequence[Problem] = ()
    suspended: bool = False
    owner_reports_ready: bool = False
    housed: Condition | None = None


def listed(problems: Sequence[Problem]) -> str:
    """Returns the problems in one line, bounded in number and length."""
    text = "; ".join(str(problem) for problem in problems[:MAX_NAMED_PROBLEMS])
    if len(problems) > MAX_NAMED_PROBLEMS:
        text += f"; and {len(problems) - MAX_NAMED_PROBLEMS} more"
    return text if len(text) <= MAX_CONDITION_MESSAGE else text[: MAX_CONDITION_MESSAGE - 1] + "…"


def accepted(problems: Sequence[Problem], revision: str) -> Condition:
    """Says whether the written spec is in force, and if not, what is."""
    if not problems:
        return Condition(ACCEPTED, TRUE, REASON_ACCEPTED, "the spec is in force")
    stays = f"; {revision} stays in force" if revision else ""
    return Condition(ACCEPTED, FALSE, problems[0].reason, listed(problems) + stays)


def resolved_refs(facts: Facts) -> Condition:
    """Says whether everything that the spec names is there, and gives what the spec reads of it."""
    if facts.missing:
        return Condition(RESOLVED_REFS, FALSE, REASON_NOT_FOUND, listed(facts.missing))
    if facts.misfits:
        return Condition(RESOLVED_REFS, FALSE, REASON_DOES_NOT_FIT, listed(facts.misfits))
    if facts.pending:
        return Condition(RESOLVED_REFS, UNKNOWN, REASON_TOOLS_NOT_LISTED, listed(facts.pending))
    return Condition(RESOLVED_REFS, TRUE, REASON_RESOLVED, "all references resolve")


def ready(facts: Facts) -> Condition | None:
    """Says whether the object can be used; None if that is for its owner to say."""
    if facts.not_enforced:
        return Condition(READY, FALSE, REASON_NOT_ENFORCED, listed(facts.not_enforced))
    if facts.owner_reports_ready:
        return None
    standing = (condition for stands, condition in _OBSTACLES if stands(facts))
    return next(standing, facts.housed or _IS_READY)


def housed(present: Sequence[dict[str, Any]], generation: int) -> Condition | None:
    """Returns what the condition NamespaceReady of a Tenant means for its Ready; None for no obstacle."""
    found = find(present, NAMESPACE_READY)
    if found.get("observedGeneration") != generation:
        return Condition(READY, UNKNOWN, REASON_NAMESPACE_PENDING, "the namespace is not looked at yet")
    if found["status"] == TRUE:
        return None
    return Condition(READY, FALSE, found["reason"], found["message"])


_IS_READY = Condition(READY, TRUE, REASON_READY, "ready")
# The first that stands is the reason that is given.
_OBSTACLES: tuple[tuple[Callable[[Facts], bool], Condition], ...] = (
    (
        lambda facts: not facts.accepted,
        Condition(READY, FALSE, REASON_NOT_ACCEPTED, "the spec is not accepted; see Accepted"),
    ),
    (
        lambda facts: bool(facts.missing or facts.misfits),
        Condition(READY, FALSE, REASON_UNRESOLVED, "references do not resolve; see ResolvedRefs"),
    ),
    (
        lambda facts: bool(facts.pending),
        Condition(READY, UNKNOWN, REASON_PENDING, "references are not known yet; see ResolvedRefs"),
    ),
    (
        lambda facts: facts.suspended,
        Condition(READY, FALSE, REASON_SUSPENDED, "the tenant is suspended"),
    ),
)


def summarize(facts: Facts) -> list[Condition]:
    """Returns the conditions that follow from other objects; `Accepted` is decided with the write itself."""
    found = [resolved_refs(facts), ready(facts)]
    return [condition for condition in found if condition is not None]


def merged(
    present: Sequence[dict[str, Any]], wanted: Iterable[Condition], generation: int, now: str
) -> list[dict[str, Any]]:
    """Returns `present` with `wanted` merged in by type.

    `lastTransitionTime` moves only when a status changes; conditions that are not wanted stay.
    """
    result = {item["type"]: item for item in present}
    for condition in wanted:
        before = result.get(condition.type, {})
        same = before.get("status") == condition.status
        result[condition.type] = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": generation,
            "lastTransitionTime": before.get("lastTransitionTime", now) if same else now,
        }
    return list(result.values())


def find(conditions: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Returns the condition of a type, or an empty one."""
    return next((item for item in conditions if item.get("type") == kind), {})
