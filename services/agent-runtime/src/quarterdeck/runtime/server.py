"""RuntimeService: translate, call, translate back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import current_call
from quarterdeck.common.paging import decode_cursor, encode_cursor, page_limit
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.runtime import operations
from quarterdeck.runtime.bounds import check_inline, check_labels, check_names, check_remark
from quarterdeck.runtime.effects_view import list_effects
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.forking import Forker
from quarterdeck.runtime.live import Live
from quarterdeck.runtime.repinning import Repinner
from quarterdeck.runtime.signals import check_signal
from quarterdeck.runtime.starting import JOIN, QUEUE, REJECT, REPLACE, TOOL, Start, Starter
from quarterdeck.runtime.store import approvals, runs
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.streams import follow
from quarterdeck.runtime.translate import event_message, label_tests, run_message, state_words
from quarterdeck.runtime.triggers.service import Triggers
from quarterdeck.v1 import runs_pb2, runs_pb2_grpc

CONFLICTS = {
    runs_pb2.KEY_CONFLICT_UNSPECIFIED: REJECT,
    runs_pb2.KEY_CONFLICT_REJECT: REJECT,
    runs_pb2.KEY_CONFLICT_JOIN: JOIN,
    runs_pb2.KEY_CONFLICT_REPLACE: REPLACE,
    runs_pb2.KEY_CONFLICT_QUEUE: QUEUE,
}
RESOLUTIONS = ("", "retry", "done", "fail")
CHUNK = 256 * 1024
EVENTS_PAGE = 1000


class RuntimeServicer(runs_pb2_grpc.RuntimeServiceServicer):
    """Serves runs."""

    def __init__(
        self, engine: Engine, tenants: TenantDirectory, starter: Starter, triggers: Triggers
    ) -> None:
        self._engine = engine
        self._database = engine.database
        self._tenants = tenants
        self._starter = starter
        self._triggers = triggers
        self._forker = Forker(engine)
        self._repinner = Repinner(engine, starter)

    async def StartRun(self, request: runs_pb2.StartRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        accepted = await self._starter.start(_wish(request, tenant))
        return await self._run(tenant, accepted.run_id)

    async def GetRun(self, request: runs_pb2.GetRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        return await self._run(await self._tenants.resolve(request.tenant), request.run_id)

    async def _run(self, tenant: TenantId, run_id: str) -> runs_pb2.Run:
        row = await self._database.read(operations.require_run, tenant, run_id)
        count = None
        if row.finished_at is None:
            count = await self._database.read(approvals.count_for_run, run_id)
        return run_message(row, count)

    async def ListRuns(self, request: runs_pb2.ListRunsRequest, context: Any) -> runs_pb2.ListRunsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if request.order_by not in ("", "created", "-created"):
            raise InvalidArgument("runs sort by created or -created", field="orderBy")
        limit = page_limit(request.page_size)
        rows = await self._database.read(
            runs.list_runs,
            tenant.id,
            _filter(request),
            limit=limit + 1,
            after=decode_cursor(request.page_token),
            newest_first=request.order_by != "created",
        )
        more = encode_cursor(rows[limit - 1].run_id) if len(rows) > limit else ""
        return runs_pb2.ListRunsResponse(runs=[run_message(r) for r in rows[:limit]], next_page_token=more)

    async def CancelRun(self, request: runs_pb2.CancelRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_remark(request.reason, "reason")
        by = current_call().principal.subject
        now = self._engine.clock.now()
        woken = await self._database.write(operations.cancel, tenant, request.run_id, request.reason, by, now)
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def SignalRun(self, request: runs_pb2.SignalRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if not request.name:
            raise InvalidArgument("a signal has a name", field="name")
        check_names(name=request.name, id=request.signal_id)
        payload = codec.loads_field(request.payload_json, "payload")
        row = await self._database.read(operations.require_run, tenant, request.run_id)
        definition = await self._engine.definition(tenant.id, row.closure, row.kind, row.name)
        await check_signal(definition, request.name, payload, "payload")
        payload = await self._stored(tenant, payload)
        now = self._engine.clock.now()
        woken = await self._database.write(
            operations.signal, tenant, request.run_id, request.name, payload, request.signal_id, now
        )
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def ResumeRun(self, request: runs_pb2.ResumeRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if request.resolution not in RESOLUTIONS:
            raise InvalidArgument("a resolution is retry, done or fail", field="resolution")
        data = {
            "by": current_call().principal.subject,
            "resolution": request.resolution,
            "outcome": await self._stored(tenant, codec.loads_field(request.outcome_json, "outcome")),
            "effect": request.effect_id,
        }
        now = self._engine.clock.now()
        woken = await self._database.write(operations.resume, tenant, request.run_id, data, now)
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def _stored(self, tenant: TenantId, value: Any) -> Any:
        return await artifacts.externalise(self._engine.artifacts, tenant.id, value, INLINE_BYTES)

    async def RepinRun(self, request: runs_pb2.RepinRunRequest, context: Any) -> runs_pb2.RepinRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        plan = await self._repinner.repin(tenant, request.run_id, dry_run=request.dry_run)
        run = await self._run(tenant, request.run_id)
        return runs_pb2.RepinRunResponse(run=run, changes=plan.changes, problems=plan.problems)

    async def ForkRun(self, request: runs_pb2.ForkRunRequest, context: Any) -> runs_pb2.ForkRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        fork = await self._forker.fork(
            tenant, request.run_id, request.before_seq, request.idempotency_key, dry_run=request.dry_run
        )
        run = await self._run(tenant, fork.run_id) if fork.run_id else None
        return runs_pb2.ForkRunResponse(
            run=run, copied_events=fork.copied, kept_steps=fork.kept, next_steps=fork.following
        )

    async def ListRunEvents(
        self, request: runs_pb2.ListRunEventsRequest, context: Any
    ) -> runs_pb2.ListRunEventsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        row = await self._database.read(operations.require_run, tenant, request.run_id)
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
        await self._database.read(operations.require_run, tenant, run_id)
        stream = follow(
            self._database,
            self._engine.live,
            tenant.id,
            run_id,
            request.after_seq,
            journal_only=request.journal_only,
        )
        position = request.after_seq
        async for event in stream:
            if event is not None:
                position = event.seq or position
                yield event_message(run_id, event)
            elif await self._has_come_to_rest(tenant, run_id, position, request.until_waiting):
                return

    async def _has_come_to_rest(
        self, tenant: TenantId, run_id: str, position: int, waiting_counts: bool
    ) -> bool:
        """True when there is nothing after `position` and nothing will come without help from outside."""
        row = await self._database.read(operations.require_run, tenant, run_id)
        if row.current_seq > position:
            return False  # it went on after the journal was read: those events come first
        if row.finished_at is not None or row.state == "quarantined":
            return True
        return waiting_counts and not await self._database.read(runs.at_work, tenant.id, row)

    async def ListEffects(
        self, request: runs_pb2.ListEffectsRequest, context: Any
    ) -> runs_pb2.ListEffectsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        await self._database.read(operations.require_run, tenant, request.run_id)
        effects = await self._database.read(
            list_effects, tenant.id, request.run_id, include_children=request.include_children
        )
        return runs_pb2.ListEffectsResponse(effects=effects)

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

    async def GetArtifact(
        self, request: runs_pb2.GetArtifactRequest, context: Any
    ) -> AsyncIterator[runs_pb2.ArtifactChunk]:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        data = await self._engine.artifacts.get(tenant.id, request.digest)
        yield runs_pb2.ArtifactChunk(data=data[:CHUNK], media_type="application/json", size=len(data))
        for offset in range(CHUNK, len(data), CHUNK):
            yield runs_pb2.ArtifactChunk(data=data[offset : offset + CHUNK])


def _wish(request: runs_pb2.StartRunRequest, tenant: TenantId) -> Start:
    if request.kind not in ("Workflow", "Agent", TOOL):
        raise InvalidArgument(
            f"{request.kind or 'nothing'} cannot be run", field="kind", hint="run a Workflow or an Agent"
        )
    check_names(session=request.session, key=request.key, idempotencyKey=request.idempotency_key)
    check_labels(request.labels)
    signal = None
    if request.signal_name:
        check_names(**{"signal.name": request.signal_name, "signal.id": request.signal_id})
        payload = codec.loads_field(request.signal_json, "signal.payload")
        check_inline(payload, "signal.payload")
        signal = {"name": request.signal_name, "payload": payload, "id": request.signal_id}
    return Start(
        tenant=tenant,
        kind=request.kind,
        name=request.name,
        input=codec.loads_field(request.input_json, "input"),
        principal=current_call().principal,
        session=request.session,
        key=request.key,
        key_conflict=CONFLICTS.get(request.key_conflict, REJECT),
        labels=dict(request.labels),
        idempotency_key=request.idempotency_key,
        priority=request.priority,
        signal=signal,
    )


def _filter(request: runs_pb2.ListRunsRequest) -> runs.RunFilter:
    return runs.RunFilter(
        kind=request.kind,
        name=request.name,
        states=state_words(request.states),
        labels=label_tests(request.label_selector),
        session=request.session,
        key=request.key,
        parent=request.parent_run_id,
        root=request.root_run_id,
        roots_only=request.roots_only,
    )
