"""Requests in the form of OpenAI Chat Completions. Pure functions.

Many servers speak this form with gaps. Only `response_format` and `stream_options` go beyond what all of them
take, and both are part of the published interface.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.llm.types import JsonValue, Message, ModelRequest, Text, ToolResult, ToolSpec

Wire = dict[str, Any]

FAILED = "The tool failed: "
"""Put before a failed tool's result, because this form has no field for it."""


def to_wire(request: ModelRequest, limit_field: str) -> Wire:
    """The keyword arguments of `chat.completions.create`; `limit_field` is what `max_tokens` is called."""
    wire: Wire = {
        "model": request.model,
        "messages": list(_messages(request)),
        limit_field: request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        wire["temperature"] = request.temperature
    if request.tools:
        wire["tools"] = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None:
        wire["response_format"] = _response_format(request.output_schema)
    return wire


def is_strict(schema: Any) -> bool:
    """Whether strict mode can take the schema: every object closed, every property required."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
            return False
    return all(is_strict(part) for part in schema.values())


def _response_format(schema: Mapping[str, JsonValue]) -> Wire:
    answer = {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": answer}


def _tool(tool: ToolSpec) -> Wire:
    parameters = {"type": "object", "properties": {}, **tool.input_schema}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _messages(request: ModelRequest) -> Iterator[Wire]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        yield from _assistant(message) if message.role == "assistant" else _user(message)


def _assistant(message: Message) -> Iterator[Wire]:
    wire: Wire = {"role": "assistant", "content": message.text or None}
    calls = [
        {
            "id": use.id,
            "type": "function",
            "function": {"name": use.name, "arguments": _as_text(dict(use.arguments))},
        }
        for use in message.tool_uses
    ]
    if calls:
        wire["tool_calls"] = calls
    if calls or message.text:
        yield wire


def _user(message: Message) -> Iterator[Wire]:
    """Tool results first: they must follow the calls directly."""
    for result in message.tool_results:
        yield {"role": "tool", "tool_call_id": result.tool_use_id, "content": _result(result)}
    texts = [block.text for block in message.content if isinstance(block, Text) and block.text]
    if texts:
        yield {"role": "user", "content": "\n\n".join(texts)}


def _result(result: ToolResult) -> str:
    return f"{FAILED if result.is_error else ''}{_as_text(result.content)}"


def _as_text(content: JsonValue) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
