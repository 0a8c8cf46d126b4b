"""What a message is made of: blocks, and the message itself.

Every class here is frozen and has `to_json` / `from_json`, because the run journal keeps them. The JSON
form is this project's own and no provider's wire format; a provider translates at its edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

JsonValue = Any
"""Anything `json.dumps` takes: None, bool, int, float, str, list, dict with string keys."""

Role = Literal["user", "assistant"]
"""Tool results travel in messages of the role `user`, as blocks."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str

    def to_json(self) -> dict[str, JsonValue]:
        """`{"type": "text", "text": …}`."""
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for a tool. Several in one message may run in parallel.

    `id` is unique within a transcript; `arguments` is the parsed JSON object, not yet checked against the
    tool's schema.
    """

    id: str
    name: str
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """`{"type": "toolUse", "id": …, "name": …, "arguments": {…}}`."""
        return {"type": "toolUse", "id": self.id, "name": self.name, "arguments": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool said. `content` is text when it is a string, else any JSON value."""

    tool_use_id: str
    content: JsonValue
    is_error: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """`{"type": "toolResult", "toolUseId": …, "content": …, "isError": …}`."""
        return {
            "type": "toolResult",
            "toolUseId": self.tool_use_id,
            "content": self.content,
            "isError": self.is_error,
        }


@dataclass(frozen=True, slots=True)
class ProviderBlock:
    """A block that only one provider understands, such as signed reasoning.

    It is kept and sent back unchanged to the same provider; every other provider leaves it out.
    """

    provider: str
    data: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """`{"type": "provider", "provider": …, "data": {…}}`."""
        return {"type": "provider", "provider": self.provider, "data": dict(self.data)}


Block = Text | ToolUse | ToolResult | ProviderBlock


def block_from_json(data: Mapping[str, JsonValue]) -> Block:
    """Read one block back; raises `ValueError` for an unknown type or a missing field."""
    try:
        match data.get("type"):
            case "text":
                return Text(data["text"])
            case "toolUse":
                return ToolUse(data["id"], data["name"], data.get("arguments", {}))
            case "toolResult":
                return ToolResult(data["toolUseId"], data.get("content"), bool(data.get("isError", False)))
            case "provider":
                return ProviderBlock(data["provider"], data["data"])
            case unknown:
                raise ValueError(f"unknown block type {unknown!r}")
    except KeyError as missing:
        raise ValueError(f"a block of type {data.get('type')!r} has no field {missing}") from missing


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a transcript: who speaks, and the blocks in order."""

    role: Role
    content: tuple[Block, ...]

    @classmethod
    def user(cls, *blocks: Block | str) -> Message:
        """A user message; plain strings become text blocks."""
        return cls("user", _as_blocks(blocks))

    @classmethod
    def assistant(cls, *blocks: Block | str) -> Message:
        """An assistant message; plain strings become text blocks."""
        return cls("assistant", _as_blocks(blocks))

    @property
    def text(self) -> str:
        """All text blocks, joined without a separator."""
        return "".join(block.text for block in self.content if isinstance(block, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """The tool calls in order."""
        return tuple(block for block in self.content if isinstance(block, ToolUse))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The tool results in order."""
        return tuple(block for block in self.content if isinstance(block, ToolResult))

    def to_json(self) -> dict[str, JsonValue]:
        """`{"role": …, "content": [block, …]}`."""
        return {"role": self.role, "content": [block.to_json() for block in self.content]}

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Message:
        """Read a message back; raises `ValueError` that names the block by its index."""
        role = data.get("role")
        if role not in ("user", "assistant"):
            raise ValueError(f"role: {role!r} is neither 'user' nor 'assistant'")
        blocks = []
        for index, block in enumerate(data.get("content") or ()):
            try:
                blocks.append(block_from_json(block))
            except ValueError as problem:
                raise ValueError(f"content[{index}]: {problem}") from problem
        return cls(role, tuple(blocks))


def _as_blocks(blocks: Sequence[Block | str]) -> tuple[Block, ...]:
    return tuple(Text(block) if isinstance(block, str) else block for block in blocks)
