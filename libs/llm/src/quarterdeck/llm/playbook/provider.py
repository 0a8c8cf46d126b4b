"""The deterministic provider: it follows written rules and is no language model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from quarterdeck.llm.constants import PLAYBOOK
from quarterdeck.llm.errors import PlaybookFailed, PlaybookInvalid
from quarterdeck.llm.playbook.compiler import Playbook, load_playbook
from quarterdeck.llm.playbook.engine import Answer, CallTools, Decision, Say, decide
from quarterdeck.llm.playbook.summary import summarise
from quarterdeck.llm.tokens import estimate_block, estimate_request
from quarterdeck.llm.types import (
    Block,
    Message,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    OnDelta,
    StopReason,
    Text,
    ToolUse,
    Usage,
)


class PlaybookProvider:
    """Answers by the rules of one or more documents.

    A request's `model` is `playbook/<name>`; with one document it may be empty. Usage is the estimate of
    `tokens`, the cost is always 0.
    """

    name = PLAYBOOK

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self._playbooks = {playbook.model: playbook for playbook in playbooks}

    @classmethod
    def from_text(cls, *sources: str | bytes) -> Self:
        """Load documents from their content; raises `PlaybookInvalid`."""
        return cls([load_playbook(source) for source in sources])

    @classmethod
    def from_files(cls, *paths: Path | str) -> Self:
        """Load documents from files; raises `PlaybookInvalid` that names the file. Call it before serving."""
        return cls([_load_file(Path(path)) for path in paths])

    @property
    def model(self) -> str:
        """The model name of the only document; empty when there are several."""
        return next(iter(self._playbooks)) if len(self._playbooks) == 1 else ""

    @property
    def models(self) -> tuple[str, ...]:
        """The model names that this provider answers for."""
        return tuple(self._playbooks)

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """Follow the first rule that applies."""
        await asyncio.sleep(0)  # a turn needs no I/O; other tasks must still get their share of the loop
        playbook = self._choose(request.model)
        if request.metadata.purpose == "summary":
            message = Message.assistant(summarise(request.messages))
        else:
            message = Message("assistant", _blocks(decide(playbook, request), request))
        for block in message.content if on_delta else ():
            on_delta(_delta(block))  # type: ignore[misc] # the loop is empty without it
        usage = Usage(estimate_request(request), sum(estimate_block(block) for block in message.content))
        reason: StopReason = "tool_use" if message.tool_uses else "end_turn"
        return ModelResponse(message, reason, usage, playbook.model, self.name)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _choose(self, model: str) -> Playbook:
        if not model and len(self._playbooks) == 1:
            return next(iter(self._playbooks.values()))
        playbook = self._playbooks.get(model)
        if playbook is None:
            known = ", ".join(sorted(self._playbooks)) or "none"
            raise PlaybookFailed(f"no playbook has the model name {model!r}", hint=f"loaded: {known}")
        return playbook


def _load_file(path: Path) -> Playbook:
    try:
        return load_playbook(path.read_bytes())
    except OSError as problem:
        raise PlaybookInvalid(f"cannot read {path}: {problem.strerror}") from problem
    except PlaybookInvalid as problem:
        raise PlaybookInvalid(f"{path}: {problem.message}", hint=problem.hint) from problem


def _blocks(decision: Decision, request: ModelRequest) -> tuple[Block, ...]:
    match decision:
        case CallTools(calls):
            prefix = _fresh_prefix(request)
            return tuple(
                ToolUse(f"{prefix}{i}", tool, arguments) for i, (tool, arguments) in enumerate(calls)
            )
        case Answer(str() as value) if request.output_schema is None:
            return (Text(value),)
        case Answer(value):
            return (Text(json.dumps(value, ensure_ascii=False)),)
        case Say(text):
            return (Text(text),)


def _fresh_prefix(request: ModelRequest) -> str:
    """A prefix for call ids that no earlier call of the transcript has, and that a repetition gets again."""
    taken = {use.id for message in request.messages for use in message.tool_uses}
    number = len(request.messages)
    while f"playbook_{number}_0" in taken:
        number += 1
    return f"playbook_{number}_"


def _delta(block: Block) -> ModelDelta:
    if isinstance(block, ToolUse):
        arguments = json.dumps(dict(block.arguments), ensure_ascii=False)
        return ModelDelta(tool_use_id=block.id, tool_name=block.name, arguments_text=arguments)
    return ModelDelta(text=block.text if isinstance(block, Text) else "")
