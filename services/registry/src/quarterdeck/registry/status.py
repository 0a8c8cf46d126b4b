"""Status that other services report: who may write what, and how it is merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument, PermissionDenied
from quarterdeck.registry import conditions
from quarterdeck.registry.conditions import Condition
from quarterdeck.registry.constants import (
    ACCEPTED,
    OTHER_STATUS_OWNER,
    READY,
    REASON_NOT_ENFORCED,
    RESOLVED_REFS,
    STATUS_OWNERS,
    UNTYPED,
)
from quarterdeck.registry.manifests import refusal
from quarterdeck.registry.records import Row

# What the registry itself writes into every status.
_OURS = frozenset({"observedGeneration", "revision", "id", "namespace", UNTYPED})
_STATUSES = frozenset({conditions.TRUE, conditions.FALSE, conditions.UNKNOWN})


def require_owner(kind: str, service: str) -> None:
    """Raises PermissionDenied unless `service` may report the status of `kind`."""
    owner = STATUS_OWNERS.get(kind, OTHER_STATUS_OWNER)
    if service != owner:
        raise PermissionDenied(f"{service} may not write the status of {kind}; {owner} does", field="kind")


def read(kind: str, reported: Any) -> tuple[dict[str, Any], list[Condition]]:
    """Splits a reported status into its fields and its conditions.

    Raises:
        InvalidArgument: it is not an object, its kind's schema refuses it, or it names what the
            registry itself writes.
    """
    if not isinstance(reported, dict):
        raise InvalidArgument("must be a JSON object", field="status")
    theirs = {name: value for name, value in reported.items() if name != "conditions"}
    for name in sorted(_OURS & theirs.keys()):
        raise InvalidArgument("is written by the registry", field=f"status.{name}")
    found = reported.get("conditions") or []
    if not isinstance(found, list):
        raise InvalidArgument("must be a list", field="status.conditions")
    _check_schema(kind, theirs)
    return theirs, [_condition(kind, at, item) for at, item in enumerate(found)]


def _check_schema(kind: str, fields: dict[str, Any]) -> None:
    from pydantic import ValidationError

    from quarterdeck.resources.field_errors import field_errors, model_in
    from quarterdeck.resources.kinds import KINDS

    model = model_in(KINDS[kind].model.model_fields["status"].annotation)
    if model is None:
        return
    try:
        model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise refusal([item.under("status") for item in field_errors(error, model)], "status") from None


def editor(
    fields: dict[str, Any], reported: list[Condition], generation: int, now: float
) -> Callable[[Row], dict[str, Any]]:
    """Returns the edit that merges a report into a status.

    Fields replace what was there, null removes them. Conditions are merged by type; one that
    speaks of an older generation than what stands is dropped, and an owner's `Ready` does not
    hide that a part of the spec is not enforced.
    """

    def edit(row: Row) -> dict[str, Any]:
        present = row.status.get("conditions", [])
        observed = min(generation or row.generation, row.generation)
        wanted = [item for item in reported if not _overruled(conditions.find(present, item.type), observed)]
        merged = conditions.merged(present, wanted, observed, rfc3339(now))
        status = {**row.status, **fields, "conditions": merged}
        return {name: value for name, value in status.items() if value is not None}

    return edit


def _overruled(present: dict[str, Any], generation: int) -> bool:
    newer = present.get("observedGeneration", 0)
    if newer > generation:
        return True
    unenforced = present.get("type") == READY and present.get("reason") == REASON_NOT_ENFORCED
    return unenforced and newer == generation


def _condition(kind: str, at: int, item: Any) -> Condition:
    field = f"status.conditions[{at}]"
    if not isinstance(item, dict) or item.get("status") not in _STATUSES or not item.get("type"):
        raise InvalidArgument("a condition needs a type and a status of True, False or Unknown", field=field)
    name = str(item["type"])
    if name in {ACCEPTED, RESOLVED_REFS} or (name == READY and kind not in STATUS_OWNERS):
        raise InvalidArgument(f"{name} of {kind} is written by the registry", field=f"{field}.type")
    reason = str(item.get("reason") or item["status"])
    return Condition(name, str(item["status"]), reason, str(item.get("message") or ""))
