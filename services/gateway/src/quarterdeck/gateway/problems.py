"""Errors as problem+json (RFC 9457): what happened, where, and what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import grpc
from starlette.responses import Response

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, QuarterdeckError
from quarterdeck.gateway.constants import PROBLEM_JSON, PROBLEM_TYPE_PREFIX

# Reasons whose HTTP status says more than their class does.
STATUS_BY_REASON = {"ResourceVersionTooOld": 410}
# What to do, by the validator's error type.
_HINTS = {
    "missing": "add the field",
    "extra_forbidden": "remove it, or check its spelling against /openapi.json",
    "json_invalid": "send one valid JSON document in UTF-8",
}


class RouteNotFound(QuarterdeckError):
    """No such path."""

    status = grpc.StatusCode.NOT_FOUND
    http_status = 404


class MethodNotAllowed(QuarterdeckError):
    """The path is known, the method is not.

    Args:
        method: the method that was tried.
        allowed: those that there are.
    """

    status = grpc.StatusCode.UNIMPLEMENTED
    http_status = 405

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here", hint=f"use {' or '.join(allowed)}")
        self.allowed = tuple(allowed)


class BodyTooLarge(QuarterdeckError):
    """The body is over the limit; reading stopped there."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 413


class BodyTooSlow(QuarterdeckError):
    """The body did not come in time; reading stopped there."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    http_status = 408


class UnsupportedMediaType(QuarterdeckError):
    """The body is not JSON."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 415


class KeyReused(QuarterdeckError):
    """An Idempotency-Key came back with a different request."""

    status = grpc.StatusCode.FAILED_PRECONDITION
    http_status = 422


def status_of(error: QuarterdeckError) -> int:
    """Returns the HTTP status of an error."""
    return STATUS_BY_REASON.get(error.reason, error.http_status)


def _words(reason: str) -> list[str]:
    return re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", reason) or ["Error"]


def problem(error: QuarterdeckError, instance: str = "", request_id: str = "") -> dict[str, Any]:
    """Returns the body of an error's response; `instance` is the path of the request."""
    words = _words(error.reason)
    body: dict[str, Any] = {
        "type": PROBLEM_TYPE_PREFIX + "-".join(words).lower(),
        "title": " ".join(words).capitalize(),
        "status": status_of(error),
        "detail": error.message,
        "instance": instance,
        "reason": error.reason,
        "field": error.field,
        "hint": error.hint,
    }
    violations = error.violations if isinstance(error, InvalidArgument) else []
    body["violations"] = [{"field": path, "message": message} for path, message in violations]
    if request_id:
        body["requestId"] = request_id
    return {key: value for key, value in body.items() if value not in ("", [])}


def headers(error: QuarterdeckError) -> dict[str, str]:
    """Returns the headers that go with an error."""
    found: dict[str, str] = {}
    if error.http_status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="quarterdeck"'
    if isinstance(error, MethodNotAllowed):
        found["Allow"] = ", ".join(error.allowed)
    if error.retry_after:
        found["Retry-After"] = str(math.ceil(error.retry_after))
    return found


def problem_response(error: QuarterdeckError, instance: str = "", request_id: str = "") -> Response:
    """Returns the response for an error."""
    body = codec.dumps(problem(error, instance, request_id))
    return Response(body, status_of(error), headers(error), media_type=PROBLEM_JSON)


def field_path(parts: Sequence[int | str]) -> str:
    """Returns a location as a path: ("items", 0, "text") is "items[0].text"."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def invalid_request(errors: Sequence[Any]) -> InvalidArgument:
    """Returns our error for what the validator found wrong with a request."""
    if errors and errors[0]["type"] == "json_invalid":
        where, what = errors[0]["loc"][-1], errors[0]["ctx"]["error"]
        return InvalidArgument(
            f"the body is not valid JSON: {what} at position {where}",
            hint=_HINTS["json_invalid"],
            reason="InvalidJson",
        )
    violations = [_violation(error) for error in errors]
    path, message = violations[0]
    where = f"{path}: " if path else ""
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    hint = _HINTS.get(errors[0]["type"], "see /openapi.json for what this request takes")
    return InvalidArgument(f"{where}{message}{more}", field=path, hint=hint, violations=violations)


def _violation(error: Any) -> tuple[str, str]:
    source, *rest = error["loc"]
    path = field_path(rest)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown field"
    elif error["type"] == "missing":
        message = "a JSON body is required" if not rest else "required"
    elif source == "body" and not rest:
        message = "the body must be a JSON object" if error["type"].endswith("_type") else message
    return path, message
