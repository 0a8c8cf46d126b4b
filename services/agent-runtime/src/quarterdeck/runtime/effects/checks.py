"""Asks a tool whether an earlier call of another one was done.

Only after the process that may have done it is known to be dead: until then it may still write.
"""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.templates import compile_condition, compile_template, holds
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.effects.tools import Status, ToolPerformer
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.state import Effect, RunState


class CheckPerformer:
    """Performs effects of kind "check"."""

    def __init__(self, tools: ToolPerformer, store: ArtifactStore) -> None:
        self._tools = tools
        self._store = store

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`: done (with its outcome), not done (then it is tried again), or unknown."""
        check = effect.target["check"]
        arguments = await artifacts.internalise(self._store, facts.tenant_id, effect.arguments)
        bound = {"arguments": arguments}
        try:
            asked = compile_template(check.get("arguments") or {}).render(bound)
            outcome = await self._tools.check(facts, definition, state, effect, asked)
            if outcome.status != Status.STATUS_OK:
                return [_unknown(effect, f"the check failed: {outcome.message}")]
            bound["result"] = codec.loads(outcome.result_json) if outcome.result_json else None
            return [verdict(effect, check, bound)]
        except ExpressionError as error:
            return [_unknown(effect, f"the check cannot be evaluated: {error}")]


def verdict(effect: Effect, check: dict[str, Any], bound: dict[str, Any]) -> Event:
    """Returns what a check's answer means. Raises ExpressionError."""
    if holds(compile_condition(check["done"]), bound):
        outcome = check.get("outcome")
        return succeeded(effect, compile_template(outcome).render(bound) if outcome else bound["result"])
    not_done = check.get("notDone")
    if not_done is None or holds(compile_condition(not_done), bound):
        return failed(effect, "not_done", "uncertain", "the check says that it was not done")
    return _unknown(effect, "the check says neither that it was done nor that it was not")


def _unknown(effect: Effect, message: str) -> Event:
    return failed(effect, "uncertain", "uncertain", message, policy="ask", check=None)
