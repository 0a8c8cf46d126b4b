"""A token estimate that needs no tokenizer: four characters are one token, rounded up.

It is deterministic and knows no model. It decides when to compact and how much to reserve, where a bound is
wanted and not the truth; the truth is the provider's `Usage`. Text is counted as it is, everything else as
compact JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from quarterdeck.llm.constants import CHARACTERS_PER_TOKEN, TOKENS_PER_MESSAGE
from quarterdeck.llm.types import Block, JsonValue, Message, ModelRequest, Text, ToolResult


def estimate_text(text: str) -> int:
    """Tokens of a text; an empty text has none."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def estimate_json(value: JsonValue) -> int:
    """Tokens of a value as compact JSON, or of a string as it is."""
    if isinstance(value, str):
        return estimate_text(value)
    return estimate_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def estimate_block(block: Block) -> int:
    """Tokens of one block."""
    match block:
        case Text():
            return estimate_text(block.text)
        case ToolResult():
            return estimate_json(block.content)
        case _:
            return estimate_json(block.to_json())


def estimate_message(message: Message) -> int:
    """Tokens of one message, its frame included."""
    return TOKENS_PER_MESSAGE + sum(estimate_block(block) for block in message.content)


def estimate_messages(messages: Iterable[Message]) -> int:
    """Tokens of a transcript."""
    return sum(estimate_message(message) for message in messages)


def estimate_request(request: ModelRequest) -> int:
    """Input tokens of a whole request: system text, tools, output schema and messages."""
    tools = sum(estimate_json(tool.to_json()) for tool in request.tools)
    schema = estimate_json(dict(request.output_schema)) if request.output_schema else 0
    return estimate_text(request.system) + tools + schema + estimate_messages(request.messages)
