"""Requests in the form of the Anthropic Messages API. Pure functions.

Sampling parameters are left out: the API version that the SDK speaks refuses them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quarterdeck.llm.anthropic_schema import native_schema
from quarterdeck.llm.constants import ANTHROPIC
from quarterdeck.llm.structured import instruction
from quarterdeck.llm.types import (
    Block,
    JsonValue,
    Message,
    ModelRequest,
    ProviderBlock,
    Text,
    ToolResult,
    ToolSpec,
    ToolUse,
)

Wire = dict[str, Any]
_CACHE_HERE: Wire = {"cache_control": {"type": "ephemeral"}}


def to_wire(request: ModelRequest) -> Wire:
    """The keyword arguments of `messages.create`."""
    schema = None if request.output_schema is None else native_schema(request.output_schema)
    wire: Wire = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request.messages, cache=request.cache_prompt),
        "stream": True,
    }
    system = _system_text(request, told=request.output_schema is not None and schema is None)
    if system:
        wire["system"] = _marked([{"type": "text", "text": system}], cache=request.cache_prompt)
    if request.tools:
        wire["tools"] = _marked([_tool(tool) for tool in request.tools], cache=request.cache_prompt)
    if schema is not None:
        wire["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return wire


def _system_text(request: ModelRequest, *, told: bool) -> str:
    """The system text; a schema that the API cannot take is explained in words instead."""
    parts = [request.system, instruction(request.output_schema) if told and request.output_schema else ""]
    return "\n\n".join(part for part in parts if part)


def _marked(parts: list[Wire], *, cache: bool) -> list[Wire]:
    """The parts with a cache mark on the last one: everything up to it may be read from the cache."""
    return [*parts[:-1], {**parts[-1], **_CACHE_HERE}] if cache and parts else parts


def _tool(tool: ToolSpec) -> Wire:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": {"type": "object", **tool.input_schema},
    }


def _messages(messages: Sequence[Message], *, cache: bool) -> list[Wire]:
    """The transcript; messages that would be empty are left out, because the API refuses them."""
    wires = [
        (message.role, [part for block in message.content for part in _block(block)]) for message in messages
    ]
    kept = [(role, parts) for role, parts in wires if parts]
    last = len(kept) - 1
    return [
        {"role": role, "content": _marked(parts, cache=cache and position == last and role == "user")}
        for position, (role, parts) in enumerate(kept)
    ]


def _block(block: Block) -> list[Wire]:
    match block:
        case Text(text):
            return [{"type": "text", "text": text}] if text.strip() else []
        case ToolUse(id, name, arguments):
            return [{"type": "tool_use", "id": id, "name": name, "input": dict(arguments)}]
        case ToolResult(id, content, is_error):
            return [
                {"type": "tool_result", "tool_use_id": id, "content": _as_text(content), "is_error": is_error}
            ]
        case ProviderBlock(provider, data):
            return [dict(data)] if provider == ANTHROPIC else []


def _as_text(content: JsonValue) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
