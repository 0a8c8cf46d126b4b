"""The provider-neutral contract: a request goes in, deltas come out while it runs, a response at the end.

Messages and blocks live in `content`; they are re-exported here so that callers need one import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from quarterdeck.llm.content import (
    Block,
    JsonValue,
    Message,
    ProviderBlock,
    Role,
    Text,
    ToolResult,
    ToolUse,
    block_from_json,
)

__all__ = [
    "Block",
    "JsonValue",
    "Message",
    "ModelDelta",
    "ModelRequest",
    "ModelResponse",
    "OnDelta",
    "Provider",
    "ProviderBlock",
    "RequestMetadata",
    "Role",
    "StopReason",
    "Text",
    "ToolResult",
    "ToolSpec",
    "ToolUse",
    "Usage",
    "block_from_json",
]

StopReason = Literal["end_turn", "tool_use", "max_tokens", "stop_sequence"]
"""Why the model stopped. A refusal and a full context window are errors, not stop reasons."""

Purpose = Literal["turn", "summary"]
"""A turn of the agent's loop, or a summary asked for by compaction."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it. `input_schema` is a JSON Schema of type object."""

    name: str
    description: str
    input_schema: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """`{"name": …, "description": …, "inputSchema": {…}}`."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": dict(self.input_schema),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> ToolSpec:
        """Read a tool back."""
        return cls(data["name"], data.get("description", ""), data.get("inputSchema", {"type": "object"}))


@dataclass(frozen=True, slots=True)
class RequestMetadata:
    """Who asks, for telemetry and for the playbook; no part of it is sent to a remote provider.

    `input` is the run's JSON input. `turn` counts the model turns of this run from 1; 0 means unknown.
    """

    agent: str = ""
    tenant: str = ""
    run_id: str = ""
    input: JsonValue = None
    turn: int = 0
    purpose: Purpose = "turn"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model.

    `model` is the provider's name of the model; the router fills it in. `max_tokens` bounds the answer.
    `temperature` is left to the model when None, and by providers whose API has none. `output_schema` is the
    JSON Schema the final answer must satisfy; providers ask for it natively where they can, and
    `structured.check_output` checks it anyway. `cache_prompt` lets the provider cache what the next request
    will begin with. `timeout` bounds the whole call in seconds.
    """

    messages: tuple[Message, ...]
    model: str = ""
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int = 4096
    temperature: float | None = None
    output_schema: Mapping[str, JsonValue] | None = None
    cache_prompt: bool = True
    timeout: float | None = None
    metadata: RequestMetadata = field(default_factory=RequestMetadata)


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """A piece of a response while it is made. Deltas are shown, never journalled.

    Either `text` is set, or the three tool fields say which call grows: `arguments_text` is the raw JSON
    fragment that was added (empty when the call begins). `restart` voids all earlier deltas of this answer: a
    further attempt begins.
    """

    text: str = ""
    tool_use_id: str = ""
    tool_name: str = ""
    arguments_text: str = ""
    restart: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """`{"type": "text", "text"}`, `{"type": "toolUse", "id", "name", "argumentsText"}` or `restart`."""
        if self.restart:
            return {"type": "restart"}
        if self.tool_use_id:
            return {
                "type": "toolUse",
                "id": self.tool_use_id,
                "name": self.tool_name,
                "argumentsText": self.arguments_text,
            }
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. The four counts do not overlap: their sum is all that was processed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total(self) -> int:
        """All tokens together; this is what an agent's token limit counts."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """`{"inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}`."""
        return {
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "cacheReadTokens": self.cache_read_tokens,
            "cacheWriteTokens": self.cache_write_tokens,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Usage:
        """Read usage back; an absent count is 0."""
        return cls(
            int(data.get("inputTokens", 0)),
            int(data.get("outputTokens", 0)),
            int(data.get("cacheReadTokens", 0)),
            int(data.get("cacheWriteTokens", 0)),
        )


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A whole answer. `model` is what the provider says answered; `provider` is our name of it."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    model: str
    provider: str

    def to_json(self) -> dict[str, JsonValue]:
        """`{"message", "stopReason", "usage", "model", "provider"}`."""
        return {
            "message": self.message.to_json(),
            "stopReason": self.stop_reason,
            "usage": self.usage.to_json(),
            "model": self.model,
            "provider": self.provider,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> ModelResponse:
        """Read a response back."""
        return cls(
            Message.from_json(data["message"]),
            data["stopReason"],
            Usage.from_json(data.get("usage", {})),
            data.get("model", ""),
            data.get("provider", ""),
        )


OnDelta = Callable[[ModelDelta], None]
"""Called on the event loop for each delta; it must not block and must not raise."""


@runtime_checkable
class Provider(Protocol):
    """Something that answers a `ModelRequest`.

    A provider makes one attempt and maps every failure to a `ModelError`; retries, fall-back, limits and
    prices are the router's. Many tasks may use it at once. Cancelling `generate` closes its connection.
    """

    @property
    def name(self) -> str:
        """The provider's name in a `ModelRoute` and in `ModelResponse.provider`."""

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """Answer `request`; call `on_delta` as the answer grows."""

    async def aclose(self) -> None:
        """Close connections. Further calls are an error."""
