"""Pieces of the protocol: tool calls, results, interrupts, and the encoding as SSE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ag_ui.core import (
    BaseEvent,
    Interrupt,
    RunFinishedInterruptOutcome,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from ag_ui.encoder import EventEncoder

_ENCODER = EventEncoder()


def tool_call(call: str, name: str, arguments: Any, parent: str | None) -> list[BaseEvent | None]:
    """Returns a whole tool call: its start, its arguments, its end."""
    return [
        ToolCallStartEvent(tool_call_id=call, tool_call_name=name, parent_message_id=parent),
        ToolCallArgsEvent(tool_call_id=call, delta=as_text(arguments or {})),
        ToolCallEndEvent(tool_call_id=call),
    ]


def tool_result(call: str, content: Any) -> ToolCallResultEvent:
    """Returns what a call answered, as a message of its own."""
    return ToolCallResultEvent(message_id=f"{call}/result", tool_call_id=call, content=as_text(content))


def told(output: Any) -> Any:
    """Returns what the model was told of a call's outcome: a refusal is its text."""
    refused = isinstance(output, dict) and output.keys() == {"$error"}
    return output["$error"] if refused else output


def as_text(value: Any) -> str:
    """Returns a string as it is, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def waiting(interrupts: Sequence[Interrupt]) -> RunFinishedInterruptOutcome:
    """Returns the outcome of a run that waits; the protocol wants at least one thing it waits for."""
    found = list(interrupts) or [Interrupt(id="waiting", reason="waiting", message="the run waits")]
    return RunFinishedInterruptOutcome(interrupts=found)


def frame(id: str, event: BaseEvent, at: int | None) -> str:
    """Returns an event as SSE; `at` is Unix time in milliseconds."""
    if at is not None:
        event.timestamp = at
    return (f"id: {id}\n" if id else "") + _ENCODER.encode(event)
