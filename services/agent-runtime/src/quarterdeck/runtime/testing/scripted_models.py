"""Models without a network: turns that are written down, and playbooks. The router and the loop are real."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import NotFound
from quarterdeck.llm.errors import InvalidRequest, ModelError
from quarterdeck.llm.providers import Providers, ProviderSource
from quarterdeck.llm.route import RouteSpec, Target
from quarterdeck.llm.router import Router
from quarterdeck.llm.tokens import estimate_block, estimate_request
from quarterdeck.llm.types import (
    Block,
    Message,
    ModelRequest,
    ModelResponse,
    OnDelta,
    Provider,
    StopReason,
    Text,
    ToolUse,
    Usage,
)
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.models import ModelPerformer
from quarterdeck.runtime.effects.routes import Routes
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.budgets import Reserve
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.testing.matching import fits
from quarterdeck.runtime.testing.scripts import Script

NAME = "script"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a model: calls, an answer, or an error.

    Args:
        calls: (tool, arguments), several are made at once.
        answer: text, or a value that is given as JSON.
        error: raised instead.
        input: what the agent's input must hold at least; None: any.
    """

    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    answer: Any = None
    error: ModelError | None = None
    input: Any = None


class ScriptedModel:
    """A provider whose turns are written down. One script serves every run of an agent."""

    name = NAME
    model = NAME

    def __init__(self, script: Script[Turn]) -> None:
        self._script = script
        self.problems: list[str] = []

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """Takes the next turn. Raises the error that it is."""
        metadata = request.metadata
        if metadata.purpose == "summary":
            return self._response(request, (Text("The conversation so far."),))
        turn = self._script.next(lambda turn: turn.input is None or fits(turn.input, metadata.input))
        if turn is None:
            problem = f"no turn is left or fits turn {metadata.turn} of agent {metadata.agent}"
            self.problems.append(problem)
            raise InvalidRequest(problem)
        if turn.error is not None:
            raise turn.error
        return self._response(request, _blocks(turn, len(request.messages)))

    def _response(self, request: ModelRequest, blocks: tuple[Block, ...]) -> ModelResponse:
        message = Message("assistant", blocks)
        usage = Usage(estimate_request(request), sum(estimate_block(block) for block in blocks))
        reason: StopReason = "tool_use" if message.tool_uses else "end_turn"
        return ModelResponse(message, reason, usage, request.model or NAME, NAME)

    async def aclose(self) -> None:
        """Nothing to close."""


def _blocks(turn: Turn, position: int) -> tuple[Block, ...]:
    if turn.calls:
        return tuple(
            ToolUse(f"call_{position}_{i}", tool, arguments) for i, (tool, arguments) in enumerate(turn.calls)
        )
    text = turn.answer if isinstance(turn.answer, str) else json.dumps(turn.answer, ensure_ascii=False)
    return (Text(text),)


class OneProvider:
    """Takes every target of a route for one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def find(self, target: Target) -> Provider | None:
        """See `ProviderSource`."""
        return self._provider


class PlaybooksOnly:
    """Knows the playbooks of a route and nothing else: no key is looked for, no network used."""

    def __init__(self) -> None:
        self._providers = Providers({})

    def find(self, target: Target) -> Provider | None:
        """See `ProviderSource`."""
        return self._providers.find(target) if target.is_playbook else None


class FixedRoutes(Routes):
    """Routers for ModelRoutes that are given once and do not change."""

    def __init__(
        self, specs: Mapping[str, Mapping[str, Any]], providers: ProviderSource, clock: Clock
    ) -> None:
        self._routers = {
            name: Router(
                RouteSpec.from_json(name, spec),
                providers,
                clock=clock.now,
                sleep=clock.sleep,
                chance=lambda: 0.0,
            )
            for name, spec in specs.items()
        }
        self.problems: list[str] = []

    def find(self, tenant: str, name: str) -> Router:
        """See `Routes.find`."""
        if name not in self._routers:
            self.problems.append(f"there is no ModelRoute {name!r} among the manifests")
            raise NotFound(self.problems[-1])
        return self._routers[name]

    async def close(self) -> None:
        """Nothing to close."""


class ModelsByAgent:
    """Performs each agent's model turns by its own performer, those of others by the usual one."""

    def __init__(self, usual: ModelPerformer, by_agent: Mapping[str, ModelPerformer]) -> None:
        self._usual = usual
        self._by_agent = by_agent

    async def estimate(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> Reserve:
        """See `Costly.estimate`."""
        performer = self._by_agent.get(facts.name, self._usual)
        return await performer.estimate(facts, definition, state, effect)

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`."""
        performer = self._by_agent.get(facts.name, self._usual)
        return await performer.perform(facts, definition, state, effect)
