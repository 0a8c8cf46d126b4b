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
from quarterdeck.runtime.agent_tools import PinnedTool
from quarterdeck.runtime.definition import AgentDefinition, Definition
from quarterdeck.runtime.effects.model_request import build_request
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.effects.routes import Routes
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.live import LiveEvents
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.unit import RunFacts

if TYPE_CHECKING:
    from quarterdeck.llm.errors import ModelError
    from quarterdeck.llm.router import Router
    from quarterdeck.llm.types import ModelDelta, ModelRequest

DEFAULT_CONTEXT_TOKENS = 150_000
DEFAULT_KEEP_TURNS = 4


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
            router = self._routes.find(facts.tenant, effect.target["route"])
            tier = effect.target["tier"] or next(iter(router.spec.tiers))
            request = await self._request(facts, definition, state)
            limit = _over_budget(router, request, tier, state)
            if limit:
                return [failed(effect, "error", "budget", limit, limit="cost")]
            return await self._turn(facts, definition, state, effect, router, tier, request)
        except NotFound as error:
            return [failed(effect, "unavailable", "unavailable", error.message)]
        except ModelError as error:
            outcome = failed(effect, "error", error.error_class, error.message, **_details(error))
            return [Event(outcome.type, outcome.data | _bill(error.cost_micro_usd, error.usage.total))]
        except (ExpressionError, ValueError) as error:
            return [failed(effect, "error", "validation", str(error))]

    async def _turn(
        self,
        facts: RunFacts,
        definition: AgentDefinition,
        state: RunState,
        effect: Effect,
        router: Router,
        tier: str,
        request: ModelRequest,
    ) -> list[Event]:
        events, request, spent, tokens = await self._compacted(definition, router, tier, request)
        priced = await router.generate(request, tier, lambda delta: self._show(facts, delta))
        usage = priced.usage
        outcome = succeeded(
            effect,
            None,
            model=priced.response.model,
            provider=priced.response.provider,
            stop_reason=priced.response.stop_reason,
            input_tokens=usage.total - usage.output_tokens,
            output_tokens=usage.output_tokens,
            **_bill(priced.cost_micro_usd + spent, usage.total + tokens),
        )
        message = priced.response.message.to_json()
        return [
            *events,
            outcome,
            Event(ev.MESSAGE_APPENDED, {"message": message, "turn": effect.target["turn"]}),
        ]

    async def _compacted(
        self, definition: AgentDefinition, router: Router, tier: str, request: ModelRequest
    ) -> tuple[list[Event], ModelRequest, int, int]:
        """Summarises the older part of a transcript that does not fit, and says so in the journal.

        Returns the events, the request to go on with, and the cost and tokens of the summary.
        """
        from dataclasses import replace

        from quarterdeck.llm.compaction import compacted, needs_compaction, plan_compaction, summary_request

        context = definition.spec.get("context") or {}
        window = router.context_tokens(tier)
        limit = int(context.get("maxTokens") or DEFAULT_CONTEXT_TOKENS)
        limit = min(limit, window - request.max_tokens) if window else limit
        if not needs_compaction(request.messages, limit):
            return [], request, 0, 0
        plan = plan_compaction(request.messages, int(context.get("keepTurns") or DEFAULT_KEEP_TURNS))
        if not plan.summarise:
            return [], request, 0, 0
        summary = await router.generate(summary_request(request, plan), tier)
        messages = compacted(plan, summary.response.message.text)
        stored = [message.to_json() for message in messages]
        event = Event(ev.CONTEXT_COMPACTED, {"messages": stored, "summarised": len(plan.summarise)})
        return [event], replace(request, messages=messages), summary.cost_micro_usd, summary.usage.total

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
        self._live.delta(facts.run_id, ev.MODEL_DELTA, delta.to_json(), self._clock.now())


def _over_budget(router: Router, request: ModelRequest, tier: str, state: RunState) -> str:
    """Returns why this turn might cost more than is left, or an empty string."""
    budget = state.budget.get("cost")
    if budget is None:
        return ""
    bound = router.reserve(request, tier)
    if state.spent + bound <= budget:
        return ""
    return (
        f"this turn may cost {bound / 1e6:.6f} US dollars; {(budget - state.spent) / 1e6:.6f} of "
        f"{budget / 1e6:.6f} are left"
    )


def _details(error: ModelError) -> dict[str, Any]:
    """Returns what is known beside class and message. `status` is the effect's: HTTP's has another name."""
    names = {"status": "httpStatus"}
    known = error.to_json().items()
    return {names.get(name, name): value for name, value in known if name not in ("class", "message")}


def _bill(cost: int, tokens: int) -> dict[str, int]:
    return {"cost": cost, "tokens": tokens}
