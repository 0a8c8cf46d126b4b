"""Closes the calls that a run left behind when it ended, and learns what became of them.

A call id is what keeps a call from being made twice, as long as somebody asks under it again. Nobody does
when the run is over; but a worker that was frozen between the intent and the call may, hours later. So the
ids are closed at mcp-manager: what was not made by then never is, and what was made has an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.runtime.effects.outcomes import failed
from quarterdeck.runtime.effects.tools import Status, ToolPerformer, call_id, target_path
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.state import Effect
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

# Ids in one request, and seconds to wait for the answer.
PAGE, PATIENCE = 1000, 5.0
State = tools_pb2.CallRecord.State


class ToolCallSeals:
    """See `engine.CallSeals`.

    Args:
        tools: translates outcomes.
    """

    def __init__(self, tools: ToolPerformer, manager: Peer) -> None:
        self._tools = tools
        self._manager = manager
        self._stub = manager.stub(tools_pb2_grpc.ToolServiceStub)

    async def seal(self, facts: RunFacts, effects: Sequence[Effect]) -> None:
        """See `engine.CallSeals.seal`."""
        await self._records(facts, effects)

    async def settle(self, facts: RunFacts, effects: Sequence[Effect]) -> dict[str, Event]:
        """See `engine.CallSeals.settle`."""
        records = await self._records(facts, effects)
        pairs = list(zip(effects, records, strict=True))
        for effect, record in pairs:
            if record.state == State.STATE_IN_FLIGHT:
                raise FailedPrecondition(
                    f"{target_path(effect)}, called by run {facts.run_id}, is still under way",
                    hint="ask again when it has ended",
                    reason="CallUnderWay",
                )
        done = [(effect, record.outcome) for effect, record in pairs if record.state == State.STATE_DONE]
        return {effect.id: await self._event(facts, effect, outcome) for effect, outcome in done}

    async def _event(self, facts: RunFacts, effect: Effect, outcome: tools_pb2.ToolOutcome) -> Event:
        if outcome.status != Status.STATUS_CANCELLED:
            return await self._tools.event(facts, effect, outcome)
        return failed(effect, "not_done", "cancelled", outcome.message, tool=target_path(effect))

    async def _records(self, facts: RunFacts, effects: Sequence[Effect]) -> list[tools_pb2.CallRecord]:
        act_for(None)
        records: list[tools_pb2.CallRecord] = []
        for first in range(0, len(effects), PAGE):
            ids = [call_id(facts.run_id, effect.id) for effect in effects[first : first + PAGE]]
            request = tools_pb2.SealCallsRequest(tenant=facts.tenant, call_ids=ids)
            answer = await self._manager.call(self._stub.SealCalls, request, PATIENCE)
            records += answer.records
        return records
