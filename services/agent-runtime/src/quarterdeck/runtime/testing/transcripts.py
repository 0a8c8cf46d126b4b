"""What a scripted model says, and what it was told, in the form of the journal's messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.testing.stubs import LocalModels

Message = dict[str, Any]
Turn = Message | Callable[[RunState], Message]


def say(text: str) -> Message:
    """Returns a turn that answers."""
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def use(*calls: tuple[str, dict[str, Any]]) -> Message:
    """Returns a turn that calls tools, side by side: (name, arguments) of each."""
    blocks = [
        {"type": "toolUse", "id": f"u{i}-{name}", "name": name, "arguments": arguments}
        for i, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": blocks}


def results(state: RunState) -> list[Message]:
    """Returns the results that the agent was told last."""
    assert state.agent is not None
    return [block for block in state.agent.messages[-1]["content"] if block["type"] == "toolResult"]


def script(*turns: Turn, **others: Sequence[Turn]) -> LocalModels:
    """Returns a model that says one thing after the other, and the last one ever after.

    Args:
        others: what it says to agents of these names.
    """

    async def model(facts: RunFacts, state: RunState) -> Message:
        assert state.agent is not None
        mine = others.get(facts.name, turns)
        turn = mine[min(state.agent.turn, len(mine) - 1)]
        return turn(state) if callable(turn) else turn

    return LocalModels(model, cost=100, tokens=10)
