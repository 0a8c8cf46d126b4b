"""What a playbook sees of a conversation. Everything is worked out from the request alone.

A playbook keeps no state: the same request gives the same answer, in any process, after any restart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from quarterdeck.llm.constants import REPAIR_MARK, SUMMARY_MARK
from quarterdeck.llm.types import JsonValue, Message, ModelRequest, Text, ToolResult
from quarterdeck.resources.cel_environment import DYN, INT, MAP, STRING, CelType

Bindings = dict[str, JsonValue]

VARIABLES: Mapping[str, CelType] = {
    "input": DYN,
    "turn": INT,
    "message": STRING,
    "tools": MAP,
    "last": MAP,
    "failed": MAP,
    "extracted": MAP,
}
"""Every name that `bindings` defines, with its type; `extracted` begins empty."""


def bindings(request: ModelRequest) -> Bindings:
    """The variables of expressions, as docs/playbook.md lists them."""
    messages = request.messages
    start = current_start(messages)
    names = _tool_names(messages)
    results = [result for message in messages[start:] for result in message.tool_results]
    offered = [tool.name for tool in request.tools]
    tools = _by_tool(offered, names, [result for result in results if not result.is_error])
    failed = _by_tool(offered, names, [result for result in results if result.is_error])
    return {
        "input": request.metadata.input,
        "turn": request.metadata.turn or current_turn(messages),
        "message": messages[start].text if messages else "",
        "tools": tools,
        "last": {name: values[-1] if values else None for name, values in tools.items()},
        "failed": failed,
        "extracted": {},
    }


def current_start(messages: Sequence[Message]) -> int:
    """Where this run begins: the last user message that carries text of its own.

    Tool results, repair requests and summaries of compacted turns begin nothing.
    """
    for position in range(len(messages) - 1, -1, -1):
        if _begins_a_run(messages[position]):
            return position
    return 0


def current_turn(messages: Sequence[Message]) -> int:
    """Which model turn of this run is due, from 1."""
    return 1 + sum(message.role == "assistant" for message in messages[current_start(messages) :])


def short_name(tool: str) -> str:
    """A tool's name without its server: `ledger__book`, `ledger.book` and `ledger/book` are `book`."""
    return tool.replace("__", "/").replace(".", "/").rpartition("/")[2]


def resolve_tool(name: str, offered: Sequence[str]) -> str | None:
    """The offered tool that `name` means: itself, or the only one whose short name it is."""
    if name in offered:
        return name
    candidates = [tool for tool in offered if short_name(tool) == name]
    return candidates[0] if len(candidates) == 1 else None


def _begins_a_run(message: Message) -> bool:
    text = message.text
    return (
        message.role == "user"
        and any(isinstance(block, Text) for block in message.content)
        and not message.tool_results
        and not text.startswith((REPAIR_MARK, SUMMARY_MARK))
    )


def _tool_names(messages: Sequence[Message]) -> Mapping[str, str]:
    return {use.id: use.name for message in messages for use in message.tool_uses}


def _by_tool(
    offered: Sequence[str], names: Mapping[str, str], results: Sequence[ToolResult]
) -> dict[str, list[JsonValue]]:
    """Results per tool, oldest first, under the full name and, where only one tool has it, the short name."""
    full: dict[str, list[JsonValue]] = {name: [] for name in offered}
    for result in results:
        name = names.get(result.tool_use_id)
        if name is not None:
            full.setdefault(name, []).append(_value(result.content))
    shorts = [short_name(name) for name in full]
    short = {key: values for key, values in zip(shorts, full.values(), strict=True) if shorts.count(key) == 1}
    return short | full


def _value(content: JsonValue) -> JsonValue:
    """Text that is a JSON object or array counts as that; any other text stays text."""
    if not isinstance(content, str) or not content.lstrip().startswith(("{", "[")):
        return content
    try:
        return json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        return content
