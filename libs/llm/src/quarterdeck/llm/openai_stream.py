"""From the chunks of a Chat Completions stream to a message. No I/O: chunks are fed in one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quarterdeck.llm.constants import OPENAI
from quarterdeck.llm.errors import MalformedOutput, Refused, StreamInterrupted
from quarterdeck.llm.sdk import GrowingToolUse
from quarterdeck.llm.tokens import estimate_block, estimate_request
from quarterdeck.llm.types import (
    Block,
    Message,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    StopReason,
    Text,
    Usage,
)

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
}


class OpenAIStream:
    """Feed it every chunk, then ask for the response."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, GrowingToolUse] = {}
        self._model = ""
        self._finish: str | None = None
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage:
        """What the server counted; nothing until it says so."""
        return self._usage or Usage()

    @property
    def started(self) -> bool:
        """Whether anything has arrived."""
        return bool(self._model)

    def feed(self, chunk: Any) -> Iterator[ModelDelta]:
        """Take in one chunk of the SDK; gives what it adds, for those who watch."""
        self._model = chunk.model or self._model
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices[:1]:
            self._finish = choice.finish_reason or self._finish
            delta = choice.delta
            if delta.refusal:
                self._refusal.append(delta.refusal)
            if delta.content:
                self._text.append(delta.content)
                yield ModelDelta(text=delta.content)
            for call in delta.tool_calls or ():
                yield self._grow(call)

    def response(self) -> ModelResponse:
        """The whole answer; raises the error that its end means."""
        if self._finish is None:
            raise StreamInterrupted("the answer ended half-way", provider=OPENAI, usage=self.usage)
        if self._refusal or self._finish == "content_filter":
            why = "".join(self._refusal) or "a filter stopped the answer"
            raise Refused(why, provider=OPENAI, usage=self.usage)
        blocks = tuple(self._blocks())
        reason = _STOP_REASONS.get(self._finish)
        if reason is None:
            raise self._malformed(f"stopped for an unknown reason: {self._finish!r}")
        # Some servers say "stop" although they call tools.
        reason = "tool_use" if self._calls and reason == "end_turn" else reason
        usage = self._usage or self._estimate(blocks)
        return ModelResponse(
            Message("assistant", blocks), reason, usage, self._model or self._request.model, OPENAI
        )

    def _grow(self, call: Any) -> ModelDelta:
        """Add a piece of a tool call. The first one carries the name, and an id where the server has ids."""
        if call.index not in self._calls:
            name = call.function.name if call.function else None
            if not name:
                raise self._malformed(f"tool call {call.index} begins without a name")
            position = len(self._request.messages)
            self._calls[call.index] = GrowingToolUse(call.id or f"call_{position}_{call.index}", name)
        growing = self._calls[call.index]
        piece = (call.function.arguments if call.function else None) or ""
        growing.arguments.append(piece)
        return ModelDelta("", growing.id, growing.name, piece)

    def _blocks(self) -> Iterator[Block]:
        if self._text:
            yield Text("".join(self._text))
        for _, call in sorted(self._calls.items()):
            yield call.finish(OPENAI, self.usage)

    def _estimate(self, blocks: tuple[Block, ...]) -> Usage:
        """For servers that do not count."""
        return Usage(estimate_request(self._request), sum(estimate_block(block) for block in blocks))

    def _malformed(self, problem: str) -> MalformedOutput:
        return MalformedOutput(problem, provider=OPENAI, usage=self.usage)


def _usage(usage: Any) -> Usage:
    """The counts without overlap: this form counts cached tokens within the prompt's."""
    details = usage.prompt_tokens_details
    read = (details.cached_tokens or 0) if details else 0
    written = (getattr(details, "cache_write_tokens", None) or 0) if details else 0
    return Usage(max(0, usage.prompt_tokens - read - written), usage.completion_tokens, read, written)
