"""What a playbook says when compaction asks for a summary: the facts in short, without any judgement."""

from __future__ import annotations

import json
from collections.abc import Sequence

from quarterdeck.llm.types import Block, Message, Text, ToolResult, ToolUse

BLOCK_CHARACTERS = 200
"""How much of each block is kept."""


def summarise(messages: Sequence[Message]) -> str:
    """A line per block, each cut to `BLOCK_CHARACTERS`; the last message, which asks, is left out."""
    return "\n".join(_line(message, block) for message in messages[:-1] for block in message.content)


def _line(message: Message, block: Block) -> str:
    match block:
        case Text(text):
            return f"{message.role}: {_short(text)}"
        case ToolUse(_, name, arguments):
            return f"called {name} with {_short(_dump(dict(arguments)))}"
        case ToolResult(_, content, is_error):
            return f"{'it failed' if is_error else 'it gave'}: {_short(_dump(content))}"
        case _:
            return f"{message.role}: (something only a model understands)"


def _dump(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= BLOCK_CHARACTERS else f"{flat[: BLOCK_CHARACTERS - 1]}…"
