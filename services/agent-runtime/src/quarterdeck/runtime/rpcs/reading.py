"""What happened in a run, and what it did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Connection, Row

from quarterdeck.common import artifacts
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.effects_view import list_effects
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.runtime.rpcs.translate import event_message
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.streaming.following import REST, SILENCE, follow
from quarterdeck.runtime.streaming.live import Live
from quarterdeck.v1 import runs_pb2

CHUNK = 256 * 1024
EVENTS_PAGE = 1000


def has_come_to_rest(
    connection: Connection, tenant: TenantId, run: Row[Any], position: int, waiting_counts: bool
) -> bool:
    """Returns True when there is nothing after `position` and nothing will come without help from outside.

    Args:
        run: its row as it was at any time.
        waiting_counts: whether a run that waits for the outside rests, too.
    """
    # In this order: what was committed before nobody worked on the run any more is seen by the second look.
    waits = waiting_counts and not runs.at_work(connection, tenant.id, run)
    row = deliveries.require_run(connection, tenant, run.run_id)
    if row.current_seq > position:
        return False  # it went on after the journal was read: those events come first
    return waits or row.finished_at is not None or row.state == "quarantined"


class ReadingRpcs(Desk):
    """ListRunEvents, StreamRunEvents, ListEffects, GetArtifact."""

    async def ListRunEvents(
        self, request: runs_pb2.ListRunEventsRequest, context: Any
    ) -> runs_pb2.ListRunEventsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        row = await self._database.read(deliveries.require_run, tenant, request.run_id)
        limit = min(request.page_size or EVENTS_PAGE, EVENTS_PAGE)
        found = await self._database.read(read_events, tenant.id, request.run_id, request.after_seq, limit)
        events = [event_message(request.run_id, Live(e.seq, e.type, e.data, e.at)) for e in found]
        return runs_pb2.ListRunEventsResponse(events=events, last_seq=row.current_seq)

    async def StreamRunEvents(
        self, request: runs_pb2.StreamRunEventsRequest, context: Any
    ) -> AsyncIterator[runs_pb2.RunEvent]:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        run_id = request.run_id
        row = await self._database.read(deliveries.require_run, tenant, run_id)
        stream = follow(
            self._database,
            self._engine.live,
            tenant.id,
            run_id,
            request.after_seq,
            journal_only=request.journal_only,
            patience=REST if request.until_waiting else SILENCE,
        )
        position = request.after_seq
        async for event in stream:
            if event is not None:
                position = event.seq or position
                yield event_message(run_id, event)
            elif await self._database.read(has_come_to_rest, tenant, row, position, request.until_waiting):
                return

    async def ListEffects(
        self, request: runs_pb2.ListEffectsRequest, context: Any
    ) -> runs_pb2.ListEffectsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        await self._database.read(deliveries.require_run, tenant, request.run_id)
        effects = await self._database.read(
            list_effects, tenant.id, request.run_id, include_children=request.include_children
        )
        return runs_pb2.ListEffectsResponse(effects=effects)

    async def GetArtifact(
        self, request: runs_pb2.GetArtifactRequest, context: Any
    ) -> AsyncIterator[runs_pb2.ArtifactChunk]:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        data = await self._engine.artifacts.get(tenant.id, request.digest)
        media_type = await asyncio.to_thread(artifacts.media_type, data)
        yield runs_pb2.ArtifactChunk(data=data[:CHUNK], media_type=media_type, size=len(data))
        for offset in range(CHUNK, len(data), CHUNK):
            yield runs_pb2.ArtifactChunk(data=data[offset : offset + CHUNK])
