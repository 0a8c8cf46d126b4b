"""Model turns through the tenant's ModelRoute.

A turn changes nothing outside but the bill, so one that was cut off by a crash is simply taken
again. Deltas go to who listens and are never journalled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.common import artifacts
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import NotFound
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import AgentDefinition, Definition
from quarterdeck.runtime.effects.compacting import compact, turn_bound
from quarterdeck.runtime.effects.model_request import build_request
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.effects.routes import Routes
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.agent_tools import PinnedTool
from quarterdeck.runtime.planner.budgets import Reserve, refusal, room_of
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.streaming.live import LiveEvents

if TYPE_CHECKING:
    from quarterdeck.llm.errors import ModelError
    from quarterdeck.llm.router import Router
    from quarterdeck.llm.types import ModelDelta, ModelRequest


class ModelPerformer:
    """Performs effects of kind "model"."""

    def __init__(self, routes: Routes, store: ArtifactStore, live: LiveEvents, clock: Clock) -> None:
        self._routes = routes
        self._store = store
        self._live = live
        self._clock = clock

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`."""
        assert isinstance(definition, AgentDefinition)
        from quarterdeck.llm.errors import ModelError

        try:
            router, tier = self._route(facts, effect)
            request = await self._request(facts, definition, state)
            room = room_of(state, effect)
            # Prices are read live: they may have changed since the reservation.
            problem = refusal(state.budget, room, turn_bound(definition, router, tier, request))
            if problem is not None:
                return [Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": "error", "error": problem})]
            return await self._turn(facts, definition, effect, router, tier, request, room.get("cost"))
        except NotFound as error:
            return [failed(effect, "unavailable", "unavailable", error.message)]
        except ModelError as error:
            return [_model_failed(effect, error)]
        except (ExpressionError, ValueError) as error:
            return [failed(effect, "error", "validation", str(error))]

    async def estimate(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> Reserve:
        """See `Costly.estimate`. Nothing is known of a turn that cannot be taken at all."""
        assert isinstance(definition, AgentDefinition)
        from quarterdeck.llm.errors import ModelError

        try:
            router, tier = self._route(facts, effect)
            request = await self._request(facts, definition, state)
            return turn_bound(definition, router, tier, request)
        except (NotFound, ModelError, ExpressionError, ValueError):
            return Reserve()

    def _route(self, facts: RunFacts, effect: Effect) -> tuple[Router, str]:
        router = self._routes.find(facts.tenant, effect.target["route"])
        return router, effect.target["tier"] or next(iter(router.spec.tiers))

    async def _turn(
        self,
        facts: RunFacts,
        definition: AgentDefinition,
        effect: Effect,
        router: Router,
        tier: str,
        request: ModelRequest,
        room: int | None,
    ) -> list[Event]:
        """Takes the turn, after a summary of the transcript if that is too long.

        Args:
            room: millionths of a US dollar that both may cost; None: any.
        """
        from quarterdeck.llm.errors import ModelError

        short = await compact(definition, router, tier, request, room)
        left = None if room is None else room - short.cost
        try:
            priced = await router.generate(
                short.request, tier, lambda delta: self._show(facts, delta), budget_micro_usd=left
            )
        except ModelError as error:
            outcome = _model_failed(effect, error, short.cost, short.tokens)
            return [*short.events, outcome]
        usage = priced.usage
        outcome = succeeded(
            effect,
            None,
            model=priced.response.model,
            provider=priced.response.provider,
            stop_reason=priced.response.stop_reason,
            input_tokens=usage.total - usage.output_tokens,
            output_tokens=usage.output_tokens,
            **_bill(priced.cost_micro_usd + short.cost, usage.total + short.tokens),
        )
        message = priced.response.message.to_json()
        return [
            *short.events,
            outcome,
            Event(ev.MESSAGE_APPENDED, {"message": message, "turn": effect.target["turn"]}),
        ]

    async def _request(self, facts: RunFacts, definition: AgentDefinition, state: RunState) -> ModelRequest:
        assert state.agent is not None
        value = await self._resolved(facts, state.input)
        messages = [await self._message(facts, message) for message in state.agent.messages]
        tools = [PinnedTool.from_json(tool) for tool in await self._resolved(facts, state.agent.tools) or ()]
        return build_request(definition, state, value=value, messages=messages, tools=tools)

    async def _message(self, facts: RunFacts, message: dict[str, Any]) -> dict[str, Any]:
        """Resolves a message that is an artifact, and results inside it that are."""
        whole: dict[str, Any] = await self._resolved(facts, message)
        return {**whole, "content": [await self._block(facts, block) for block in whole["content"]]}

    async def _block(self, facts: RunFacts, block: dict[str, Any]) -> dict[str, Any]:
        if block["type"] != "toolResult":
            return block
        return {**block, "content": await self._resolved(facts, block["content"])}

    async def _resolved(self, facts: RunFacts, value: Any) -> Any:
        return await artifacts.internalise(self._store, facts.tenant_id, value)

    def _show(self, facts: RunFacts, delta: ModelDelta) -> None:
        self._live.delta(facts.tenant_id, facts.run_id, ev.MODEL_DELTA, delta.to_json(), self._clock.now())


def _model_failed(effect: Effect, error: ModelError, cost: int = 0, tokens: int = 0) -> Event:
    """Returns the outcome of a turn that failed; what was paid, for its summary too, stands in it."""
    outcome = failed(effect, "error", error.error_class, error.message, **_details(error))
    bill = _bill(error.cost_micro_usd + cost, error.usage.total + tokens)
    return Event(outcome.type, outcome.data | bill)


def _details(error: ModelError) -> dict[str, Any]:
    """Returns what is known beside class and message. `status` is the effect's: HTTP's has another name."""
    names = {"status": "httpStatus"}
    known = error.to_json().items()
    return {names.get(name, name): value for name, value in known if name not in ("class", "message")}


def _bill(cost: int, tokens: int) -> dict[str, int]:
    return {"cost": cost, "tokens": tokens}
