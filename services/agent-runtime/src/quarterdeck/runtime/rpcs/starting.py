"""Starting runs and finding them."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import current_call
from quarterdeck.common.paging import decode_cursor, encode_cursor, page_limit
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.bounds import check_inline, check_labels, check_message, check_names
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.runtime.rpcs.translate import label_tests, run_message, state_words
from quarterdeck.runtime.starting.accepting import JOIN, QUEUE, REJECT, REPLACE, TOOL, Start
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.tracing import link_to
from quarterdeck.v1 import runs_pb2

CONFLICTS = {
    runs_pb2.KEY_CONFLICT_UNSPECIFIED: REJECT,
    runs_pb2.KEY_CONFLICT_REJECT: REJECT,
    runs_pb2.KEY_CONFLICT_JOIN: JOIN,
    runs_pb2.KEY_CONFLICT_REPLACE: REPLACE,
    runs_pb2.KEY_CONFLICT_QUEUE: QUEUE,
}


class StartingRpcs(Desk):
    """StartRun, GetRun, ListRuns."""

    async def StartRun(self, request: runs_pb2.StartRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        wish = wish_of(request, tenant, request.idempotency_key)
        await self._check_message(wish)
        accepted = await self._starter.start(wish)
        link_to(accepted.run_id)
        if accepted.row is not None:
            return run_message(accepted.row)
        return await self._run(tenant, accepted.run_id)

    async def _check_message(self, wish: Start) -> None:
        """Raises InvalidArgument for an agent that gets nothing to answer, NotFound if there is none."""
        if wish.kind != "Agent":
            return
        try:
            check_message(wish.input)
        except InvalidArgument:
            await self._starter.newest_closure(wish)
            raise

    async def GetRun(self, request: runs_pb2.GetRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        return await self._run(await self._tenants.resolve(request.tenant), request.run_id)

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
        found = await self._messages(tenant, rows[:limit])
        return runs_pb2.ListRunsResponse(runs=found, next_page_token=more)


def wish_of(request: runs_pb2.StartRunRequest, tenant: TenantId, idempotency_key: str) -> Start:
    """Returns what a request asks for. Raises InvalidArgument for what no start may say."""
    if request.kind not in ("Workflow", "Agent", TOOL):
        raise InvalidArgument(
            f"{request.kind or 'nothing'} cannot be run", field="kind", hint="run a Workflow or an Agent"
        )
    check_names(session=request.session, key=request.key, idempotencyKey=idempotency_key)
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
        idempotency_key=idempotency_key,
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
