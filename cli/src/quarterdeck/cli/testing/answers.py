"""From what a case says to what the scripted tools, models and memories take. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.cli.testing.case import Case, ToolAnswerSpec, TurnSpec
from quarterdeck.common import codec
from quarterdeck.llm import errors
from quarterdeck.llm.errors import ModelError
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime.testing.memory_answers import Finding
from quarterdeck.runtime.testing.scripted_models import Turn
from quarterdeck.runtime.testing.scripted_tools import ToolAnswer
from quarterdeck.v1.tools_pb2 import ToolOutcome

_BY_CLASS = {
    "tool": ToolOutcome.STATUS_TOOL_ERROR,
    "timeout": ToolOutcome.STATUS_TIMEOUT,
    "validation": ToolOutcome.STATUS_INVALID_ARGUMENTS,
    "unavailable": ToolOutcome.STATUS_UNAVAILABLE,
    "cancelled": ToolOutcome.STATUS_CANCELLED,
}
_BY_CODE: dict[str, type[ModelError]] = {
    kind.code: kind
    for kind in (
        errors.ModelTimeout,
        errors.ProviderUnavailable,
        errors.Overloaded,
        errors.RateLimited,
        errors.MalformedOutput,
        errors.Refused,
        errors.ContextTooLong,
        errors.AuthenticationFailed,
        errors.InvalidRequest,
    )
}


def seconds(text: str | None) -> float:
    """Returns a duration in seconds, 0 for none."""
    return duration_seconds(text) if text else 0.0


def tool_answers(case: Case) -> list[ToolAnswer]:
    """Returns the answers of tools in their order."""
    return [
        ToolAnswer(answer.server, answer.name, outcome(answer), answer.arguments, seconds(answer.takes))
        for answer in case.tools
    ]


def outcome(answer: ToolAnswerSpec) -> ToolOutcome:
    """Returns the outcome that an answer stands for."""
    if answer.error is not None:
        return _failure(_BY_CLASS[answer.error.class_], answer.error.message, answer.error.details)
    if answer.uncertain is not None:
        dead = answer.uncertain.server_dead
        message = answer.uncertain.message
        return ToolOutcome(status=ToolOutcome.STATUS_UNCERTAIN, message=message, server_dead=dead)
    if answer.denied is not None:
        return ToolOutcome(status=ToolOutcome.STATUS_DENIED, message=answer.denied)
    if answer.needs_approval is not None:
        return ToolOutcome(
            status=ToolOutcome.STATUS_NEEDS_APPROVAL,
            message=answer.needs_approval.message,
            approval_policy=answer.needs_approval.policy,
        )
    return ToolOutcome(status=ToolOutcome.STATUS_OK, result_json=codec.dumps(answer.result))


def _failure(status: ToolOutcome.Status.ValueType, message: str, details: Any) -> ToolOutcome:
    data = b"" if details is None else codec.dumps(details)
    return ToolOutcome(status=status, message=message, result_json=data)


def turn(written: TurnSpec) -> Turn:
    """Returns a model's turn."""
    calls = [(call.tool, call.arguments) for call in written.call or ()]
    failure = written.error
    error = _BY_CODE[failure.code](failure.message, provider="script") if failure else None
    return Turn(calls, written.answer, error, written.input)


def findings(case: Case) -> list[Finding]:
    """Returns what searches find."""
    return [
        Finding(found.collection, [item.to_json() for item in found.items], found.query)
        for found in case.memory
    ]
