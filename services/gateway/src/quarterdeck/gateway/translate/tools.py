"""Tools and the outcomes of calls."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.errors import (
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    QuarterdeckError,
    ResourceExhausted,
    Unavailable,
)
from quarterdeck.gateway.translate.values import embedded, word
from quarterdeck.v1 import tools_pb2

_Status = tools_pb2.ToolOutcome.Status


def tool(message: tools_pb2.Tool) -> dict[str, Any]:
    """Returns a tool's JSON."""
    effect = word(tools_pb2.ToolEffect, message.effect, "TOOL_EFFECT_")
    return {
        "server": message.server,
        "name": message.name,
        "description": message.description or None,
        "inputSchema": embedded(message.input_schema_json),
        "outputSchema": embedded(message.output_schema_json),
        "effect": {"read-only": "readOnly"}.get(effect, effect),
        "pin": message.pin or None,
        "onUncertain": message.on_uncertain or None,
        "check": embedded(message.check_json),
        "timeoutSeconds": message.timeout_seconds or None,
    }


def tool_list(answer: tools_pb2.ListToolsResponse) -> dict[str, Any]:
    """Returns the tools, and the servers that could not be asked."""
    return {
        "items": [tool(item) for item in answer.tools],
        "continue": None,
        "unavailable": list(answer.unavailable),
    }


def outcome(message: tools_pb2.ToolOutcome) -> dict[str, Any]:
    """Returns an outcome's JSON."""
    artifact = {"digest": message.artifact, "size": message.artifact_size} if message.artifact else None
    return {
        "callId": message.call_id,
        "status": word(_Status, message.status, "STATUS_"),
        "result": embedded(message.result_json),
        "artifact": artifact,
        "message": message.message or None,
        "policy": message.policy or None,
        "durationMs": message.duration_ms,
        "replayed": message.replayed,
    }


def refusal(message: tools_pb2.ToolOutcome) -> QuarterdeckError | None:
    """Returns the error that an outcome is to a client; None if the tool answered or was cancelled."""
    text = message.message or word(_Status, message.status, "STATUS_")
    match message.status:
        case _Status.STATUS_DENIED:
            return PermissionDenied(text, reason="PolicyDenied", hint=f"policy {message.policy!r} decides")
        case _Status.STATUS_INVALID_ARGUMENTS:
            return InvalidArgument(
                text, field="arguments", hint="see the tool's inputSchema", reason="InvalidToolArguments"
            )
        case _Status.STATUS_UNAVAILABLE if message.missing:
            return NotFound(text, field=message.missing, hint="list the tools to see what there is")
        case _Status.STATUS_UNAVAILABLE if message.retry_after_seconds:
            return ResourceExhausted(
                text,
                hint="nothing was sent; try again after the time in Retry-After",
                reason="ToolRateLimited",
                retry_after=message.retry_after_seconds,
            )
        case _Status.STATUS_UNAVAILABLE:
            return Unavailable(text, reason="ToolUnavailable", hint="nothing was sent; try again")
        case _Status.STATUS_TIMEOUT:
            return DeadlineExceeded(text, reason="ToolTimeout")
        case _Status.STATUS_UNCERTAIN:
            return DeadlineExceeded(
                f"{text} (call {message.call_id})",
                reason="OutcomeUncertain",
                hint="the call was sent and may have taken effect; look before you repeat it",
            )
    return None
