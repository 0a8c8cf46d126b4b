"""Effects that a test answers itself, in process. They say so in their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from quarterdeck.common import artifacts
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.events import MESSAGE_APPENDED, Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.agent_tools import PinnedTool, platform_tools, server_tools
from quarterdeck.runtime.planner.budgets import Reserve
from quarterdeck.runtime.state import Effect, RunState

# (arguments) -> result; raising ToolFailure gives a failed outcome.
LocalTool = Callable[[Any], Awaitable[Any]]
# (state) -> assistant message as JSON.
LocalModel = Callable[[RunFacts, RunState], Awaitable[dict[str, Any]]]


class ToolFailure(Exception):
    """A local tool fails with a status and class of its choice."""

    def __init__(self, message: str, *, status: str = "error", kind: str = "tool", **more: Any) -> None:
        super().__init__(message)
        self.status, self.kind, self.more = status, kind, more


class LocalTools:
    """Tools registered in process under "server/tool", and a record of every call."""

    def __init__(self, tools: Mapping[str, LocalTool], store: ArtifactStore) -> None:
        self.tools = dict(tools)
        self.calls: list[tuple[str, Any]] = []
        self._store = store

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """Calls the tool and returns its outcome."""
        name = f"{effect.target['server']}/{effect.target['tool']}"
        arguments = await artifacts.internalise(self._store, facts.tenant_id, effect.arguments)
        self.calls.append((name, arguments))
        try:
            result = await self.tools[name](arguments)
        except ToolFailure as error:
            return [failed(effect, error.status, error.kind, str(error), **error.more)]
        return [succeeded(effect, result)]

    async def pin(
        self, facts: RunFacts, spec: Mapping[str, Any], revisions: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Lists the declared tools that are registered, and the agents."""
        declared = {
            (wanted["server"], name) for wanted in spec.get("tools") or () for name in wanted["names"]
        }
        found = [(s, t, "", {"type": "object"}) for s, t in sorted(declared) if f"{s}/{t}" in self.tools]
        names = [agent["name"] for agent in spec.get("agents") or ()]
        agents = [PinnedTool(name, "agent", "", {}, tool=name) for name in names]
        return [tool.to_json() for tool in server_tools(found) + platform_tools(spec) + agents]


class LocalModels:
    """A model that the test writes as a function of the run's state."""

    def __init__(self, model: LocalModel, *, cost: int = 0, tokens: int = 10) -> None:
        self._model = model
        self._cost, self._tokens = cost, tokens

    async def estimate(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> Reserve:
        """See `Costly.estimate`."""
        return Reserve(self._cost, self._tokens)

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """Asks the function and returns its message as the outcome."""
        message = await self._model(facts, state)
        uses = any(block["type"] == "toolUse" for block in message["content"])
        outcome = succeeded(
            effect, None, cost=self._cost, tokens=self._tokens, stop_reason="tool_use" if uses else "end_turn"
        )
        return [outcome, Event(MESSAGE_APPENDED, {"message": message})]
