"""From the events of an Anthropic stream to a message. No I/O: events are fed in one by one."""

from __future__ import annotations

from typing import Any

from quarterdeck.llm.constants import ANTHROPIC
from quarterdeck.llm.errors import ContextTooLong, MalformedOutput, Refused, StreamInterrupted
from quarterdeck.llm.sdk import GrowingToolUse
from quarterdeck.llm.types import (
    Block,
    Message,
    ModelDelta,
    ModelResponse,
    ProviderBlock,
    StopReason,
    Text,
    Usage,
)

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
}
_OPAQUE = {"thinking", "redacted_thinking"}
"""Blocks that must come back unchanged in the next request."""


class AnthropicStream:
    """Feed it every event, then ask for the response."""

    def __init__(self) -> None:
        self._open: dict[int, list[str] | GrowingToolUse | dict[str, Any]] = {}
        self._blocks: list[Block | GrowingToolUse] = []
        self._usage: dict[str, int] = {}
        self._model = ""
        self._stop: str | None = None
        self._explanation = ""
        self._ended = False

    @property
    def usage(self) -> Usage:
        """What has been counted so far."""
        known = self._usage
        return Usage(
            known.get("input_tokens", 0),
            known.get("output_tokens", 0),
            known.get("cache_read_input_tokens", 0),
            known.get("cache_creation_input_tokens", 0),
        )

    def feed(self, event: Any) -> ModelDelta | None:
        """Take in one event of the SDK; returns what it adds, for those who watch."""
        match event.type:
            case "message_start":
                self._model = event.message.model
                self._count(event.message.usage)
            case "content_block_start":
                return self._begin(event.index, event.content_block)
            case "content_block_delta":
                return self._grow(event.index, event.delta)
            case "content_block_stop":
                self._finish(event.index)
            case "message_delta":
                self._stop = event.delta.stop_reason or self._stop
                details = getattr(event.delta, "stop_details", None)
                self._explanation = getattr(details, "explanation", None) or self._explanation
                self._count(event.usage)
            case "message_stop":
                self._ended = True
        return None

    def response(self) -> ModelResponse:
        """The whole answer; raises the error that its end means."""
        if not self._ended or self._open:
            raise StreamInterrupted("the answer ended half-way", provider=ANTHROPIC, usage=self.usage)
        if self._stop == "refusal":
            why = self._explanation or "the model declined to answer"
            raise Refused(why, provider=ANTHROPIC, usage=self.usage)
        if self._stop == "model_context_window_exceeded":
            raise ContextTooLong("the answer filled the context window", provider=ANTHROPIC, usage=self.usage)
        reason = _STOP_REASONS.get(self._stop or "")
        if reason is None:
            raise self._malformed(f"stopped for an unknown reason: {self._stop!r}")
        message = Message("assistant", tuple(self._whole(block) for block in self._blocks))
        return ModelResponse(message, reason, self.usage, self._model, ANTHROPIC)

    def _whole(self, block: Block | GrowingToolUse) -> Block:
        # Only here, because the counts for a malformed call are complete at the end of the stream.
        return block.finish(ANTHROPIC, self.usage) if isinstance(block, GrowingToolUse) else block

    def _begin(self, index: int, block: Any) -> ModelDelta | None:
        match block.type:
            case "text":
                self._open[index] = [block.text]
                return ModelDelta(text=block.text) if block.text else None
            case "tool_use":
                self._open[index] = GrowingToolUse(block.id, block.name)
                return ModelDelta(tool_use_id=block.id, tool_name=block.name)
            case kind if kind in _OPAQUE:
                self._open[index] = block.model_dump(mode="json", exclude_none=True)
                return None
            case unknown:
                raise self._malformed(f"a content block of the unknown type {unknown!r}")

    def _grow(self, index: int, delta: Any) -> ModelDelta | None:
        block = self._open.get(index)
        match delta.type, block:
            case "text_delta", list():
                block.append(delta.text)
                return ModelDelta(text=delta.text)
            case "input_json_delta", GrowingToolUse():
                block.arguments.append(delta.partial_json)
                return ModelDelta("", block.id, block.name, delta.partial_json)
            case "thinking_delta", dict():
                block["thinking"] = block.get("thinking", "") + delta.thinking
            case "signature_delta", dict():
                block["signature"] = delta.signature
            case "citations_delta", list():
                pass
            case kind, _:
                raise self._malformed(
                    f"a piece of the type {kind!r} for content block {index}, which takes none"
                )
        return None

    def _finish(self, index: int) -> None:
        match self._open.pop(index, None):
            case GrowingToolUse() as tool_use:
                self._blocks.append(tool_use)
            case dict() as data:
                self._blocks.append(ProviderBlock(ANTHROPIC, data))
            case list() as pieces:
                self._blocks.append(Text("".join(pieces)))
            case None:
                raise self._malformed(f"content block {index} ended and never began")

    def _count(self, usage: Any) -> None:
        """Counts in later events replace earlier ones: they are totals."""
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        ):
            value = getattr(usage, name, None)
            if value is not None:
                self._usage[name] = value

    def _malformed(self, problem: str) -> MalformedOutput:
        return MalformedOutput(problem, provider=ANTHROPIC, usage=self.usage)
