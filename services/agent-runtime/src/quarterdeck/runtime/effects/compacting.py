"""Transcripts that do not fit are summarised first. What a turn may take includes that summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import AgentDefinition
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.planner.budgets import Reserve

if TYPE_CHECKING:
    from quarterdeck.llm.compaction import CompactionPlan
    from quarterdeck.llm.router import Router
    from quarterdeck.llm.types import ModelRequest

DEFAULT_CONTEXT_TOKENS = 150_000
DEFAULT_KEEP_TURNS = 4


@dataclass(frozen=True, slots=True)
class Compact:
    """A request that fits, what the journal is told about it, and what the summary took."""

    request: ModelRequest
    events: tuple[Event, ...] = ()
    cost: int = 0
    tokens: int = 0


def turn_bound(definition: AgentDefinition, router: Router, tier: str, request: ModelRequest) -> Reserve:
    """Returns the most that a turn may take, the summary before it included. Raises ModelError."""
    from quarterdeck.llm.compaction import summary_request

    bound = _bound(router, tier, request)
    plan = _plan(definition, router, tier, request)
    return bound if plan is None else bound + _bound(router, tier, summary_request(request, plan))


def _bound(router: Router, tier: str, request: ModelRequest) -> Reserve:
    from quarterdeck.llm.prices import most_input_tokens

    return Reserve(router.reserve(request, tier), most_input_tokens(request) + request.max_tokens)


async def compact(
    definition: AgentDefinition, router: Router, tier: str, request: ModelRequest, room: int | None
) -> Compact:
    """Summarises the older part of a transcript that does not fit, and says so in the journal.

    Args:
        room: millionths of a US dollar for the summary and the turn; None: any.
    """
    from quarterdeck.llm.compaction import compacted, summary_request

    plan = _plan(definition, router, tier, request)
    if plan is None:
        return Compact(request)
    left = None if room is None else room - router.reserve(request, tier)
    summary = await router.generate(summary_request(request, plan), tier, budget_micro_usd=left)
    messages = compacted(plan, summary.response.message.text)
    stored = [message.to_json() for message in messages]
    event = Event(ev.CONTEXT_COMPACTED, {"messages": stored, "summarised": len(plan.summarise)})
    short = replace(request, messages=messages)
    return Compact(short, (event,), summary.cost_micro_usd, summary.usage.total)


def _plan(
    definition: AgentDefinition, router: Router, tier: str, request: ModelRequest
) -> CompactionPlan | None:
    """Returns what to summarise; None when the transcript fits or has nothing to summarise."""
    from quarterdeck.llm.compaction import needs_compaction, plan_compaction

    context = definition.spec.get("context") or {}
    window = router.context_tokens(tier)
    limit = int(context.get("maxTokens") or DEFAULT_CONTEXT_TOKENS)
    limit = min(limit, window - request.max_tokens) if window else limit
    if not needs_compaction(request.messages, limit):
        return None
    plan = plan_compaction(request.messages, int(context.get("keepTurns") or DEFAULT_KEEP_TURNS))
    return plan if plan.summarise else None
