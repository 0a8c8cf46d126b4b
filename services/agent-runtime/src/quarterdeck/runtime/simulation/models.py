"""Scripted models: what an agent's model says depends on the turn alone, so a turn may be taken again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quarterdeck.llm.errors import Overloaded
from quarterdeck.llm.types import (
    Block,
    Message,
    ModelRequest,
    ModelResponse,
    OnDelta,
    RequestMetadata,
    StopReason,
    Text,
    ToolUse,
    Usage,
)
from quarterdeck.runtime.simulation.adversary import Adversary

NAME = "scripted"
ROUTE: dict[str, Any] = {
    "tiers": [{"name": "standard", "providers": [{"provider": NAME, "model": NAME}]}],
    "limits": {"timeout": "30s"},
    "prices": [{"model": NAME, "inputPerMillionUsd": 1.0, "outputPerMillionUsd": 1.0}],
}

# (tool, arguments); "@" stands for the run's id.
_Call = tuple[str, Mapping[str, Any]]
SCRIPTS: dict[str, tuple[tuple[_Call, ...], ...]] = {
    "helper": (
        (("pay", {"key": "@/pay"}), ("post", {"key": "@/post"})),
        (("put", {"key": "@/put"}),),
    ),
    "talker": (),
    "chatty": tuple((("put", {"key": f"@/{turn}"}),) for turn in range(5)),
    "asker": ((("ask_person", {"question": "Shall I?"}),), (("guarded", {"key": "@/guarded"}),)),
    "leader": ((("helper", {"message": "help"}), ("talker", {"message": "talk"})),),
}


class ScriptedProvider:
    """A provider that follows `SCRIPTS`. See `quarterdeck.llm.types.Provider`."""

    name = NAME
    model = NAME

    def __init__(self, adversary: Adversary) -> None:
        self._adversary = adversary

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """Answers after some time, or fails."""
        adversary = self._adversary
        fate = adversary.call("generate")
        quick = adversary.chance.choice((0.01, 0.1, 0.4))
        await asyncio.sleep(adversary.long_delay() if fate == "peer-slow" else quick)
        if fate in ("peer-unreachable", "peer-reply-lost"):
            raise Overloaded("too much to do", provider=NAME)
        blocks = _blocks(request.metadata)
        message = Message("assistant", blocks)
        reason: StopReason = "tool_use" if message.tool_uses else "end_turn"
        return ModelResponse(message, reason, Usage(10, 5), NAME, NAME)

    async def aclose(self) -> None:
        """Nothing to close."""


def _blocks(metadata: RequestMetadata) -> tuple[Block, ...]:
    script = SCRIPTS[metadata.agent]
    if metadata.turn > len(script) or metadata.purpose == "summary":
        return (Text(f"{metadata.agent} has done it"),)
    calls = script[metadata.turn - 1]
    return tuple(
        ToolUse(f"t{metadata.turn}u{index}", tool, _bound(arguments, metadata.run_id))
        for index, (tool, arguments) in enumerate(calls)
    )


def _bound(arguments: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    return {
        name: value.replace("@", run_id) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
