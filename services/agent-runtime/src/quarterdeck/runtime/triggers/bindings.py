"""What a trigger's templates see, and the input they give a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.resources.errors import ExpressionError, join_path
from quarterdeck.resources.templates import as_text, compile_condition, compile_template, holds
from quarterdeck.runtime.triggers.cron import Schedule, local_time
from quarterdeck.runtime.triggers.declared import Declared

_REQUEST: Mapping[str, Any] = {"method": "", "body": None, "path": {}, "query": {}, "headers": {}}
_EVENT: Mapping[str, Any] = {"type": "", "id": "", "source": "", "data": None}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a trigger fires.

    Args:
        id: what a repeat has in common with the first: the scheduled time, a webhook's or event's id.
        scheduled_at: the scheduled time of a cron trigger, else when it fired (Unix seconds).
        payload: the request, the event, or what a person gave.
    """

    id: str
    scheduled_at: float
    payload: Any = None


def bindings(name: str, declared: Declared, cause: Cause) -> dict[str, Any]:
    """Returns the variables of the trigger's templates: `trigger`, and `request` or `event`."""
    clock = declared.schedule or Schedule("* * * * *")
    trigger = {
        "name": name,
        "id": cause.id,
        "scheduledAt": rfc3339(cause.scheduled_at),
        "localTime": local_time(clock, cause.scheduled_at),
        "payload": cause.payload,
    }
    if declared.source == "cron":
        return {"trigger": trigger}
    if declared.source == "event":
        return {"trigger": trigger, "event": _completed(_EVENT, cause.payload, "data")}
    return {"trigger": trigger, "request": _completed(_REQUEST, cause.payload, "body")}


def _completed(empty: Mapping[str, Any], payload: Any, content: str) -> dict[str, Any]:
    """Returns the payload in full shape; one that is not in that shape is the content itself."""
    if isinstance(payload, dict) and content in payload:
        return {**empty, **payload}
    return {**empty, content: payload}


def run_input(declared: Declared, bound: Mapping[str, Any]) -> Any:
    """Returns the run's input. Raises FailedPrecondition if the template cannot be evaluated."""
    if declared.input is None:
        return _plain_input(declared, bound)
    return _rendered(declared.input, bound, "spec.input")


def _plain_input(declared: Declared, bound: Mapping[str, Any]) -> Any:
    if declared.source == "event":
        return bound["event"]["data"]
    if declared.source == "cron":
        payload = bound["trigger"]["payload"]
        return {} if payload is None else payload
    return bound["request"]["body"]


def run_key(declared: Declared, bound: Mapping[str, Any]) -> str:
    """Returns the run's business key, or empty. Raises FailedPrecondition if it cannot be evaluated."""
    return as_text(_rendered(declared.key, bound, "spec.key")) if declared.key else ""


def _rendered(template: Any, bound: Mapping[str, Any], field: str) -> Any:
    try:
        return compile_template(template).render(bound)
    except ExpressionError as error:
        raise FailedPrecondition(
            f"the trigger's template cannot be evaluated: {error}",
            field=join_path(field, error.path),
            hint="compare it with what the event or request carried",
            reason="TemplateFailed",
        ) from error


def passes(declared: Declared, bound: Mapping[str, Any]) -> bool:
    """True if an event passes the trigger's filter. Raises ExpressionError if that cannot be told."""
    return not declared.event_filter or holds(compile_condition(declared.event_filter), bound)
