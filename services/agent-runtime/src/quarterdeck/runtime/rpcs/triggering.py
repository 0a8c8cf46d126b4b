"""Triggers and the events that they listen to."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class TriggeringRpcs(Desk):
    """FireTrigger, GetTriggerState, PublishEvent."""

    async def FireTrigger(
        self, request: runs_pb2.FireTriggerRequest, context: Any
    ) -> runs_pb2.FireTriggerResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        payload = codec.loads_field(request.payload_json, "payload")
        fired = await self._triggers.fire(
            tenant, request.name, payload, request.fire_id, request.backfill_from, request.backfill_to
        )
        found = [await self._run(tenant, run_id) for run_id in fired.runs]
        return runs_pb2.FireTriggerResponse(runs=found, skipped=fired.skipped)

    async def GetTriggerState(
        self, request: runs_pb2.GetTriggerStateRequest, context: Any
    ) -> runs_pb2.TriggerState:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        return await self._triggers.state(tenant, request.name)

    async def PublishEvent(
        self, request: runs_pb2.PublishEventRequest, context: Any
    ) -> runs_pb2.PublishEventResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if not request.type:
            raise InvalidArgument("an event has a type", field="type")
        data = codec.loads_field(request.data_json, "data")
        matched = await self._triggers.publish(tenant, request.type, data, request.event_id, request.source)
        return runs_pb2.PublishEventResponse(matched=matched)
