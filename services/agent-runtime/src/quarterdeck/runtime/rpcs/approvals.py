"""ApprovalService: translate, call, translate back."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import NotFound
from quarterdeck.common.identity import current_call
from quarterdeck.common.paging import decode_cursor, encode_cursor, page_limit
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher
from quarterdeck.runtime.approvals.answers import Schemas, check_answer
from quarterdeck.runtime.approvals.approvers import require_approver, require_enforced
from quarterdeck.runtime.approvals.deciding import Vote, decide
from quarterdeck.runtime.bounds import check_inline, check_remark
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.rpcs.translate import APPROVAL_WORDS, approval_message, run_message
from quarterdeck.runtime.store import approvals
from quarterdeck.runtime.store.trees import totals
from quarterdeck.v1 import approvals_pb2, approvals_pb2_grpc


class ApprovalServicer(approvals_pb2_grpc.ApprovalServiceServicer):
    """Serves approvals."""

    def __init__(
        self, engine: Engine, tenants: TenantDirectory, watcher: ObjectWatcher, schemas: Schemas
    ) -> None:
        self._engine = engine
        self._database = engine.database
        self._tenants = tenants
        self._watcher = watcher
        self._schemas = schemas

    async def GetApproval(
        self, request: approvals_pb2.GetApprovalRequest, context: Any
    ) -> approvals_pb2.Approval:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        row = await self._database.read(approvals.get_approval, tenant.id, request.id)
        if row is None:
            raise NotFound(f"no approval {request.id} in tenant {tenant.name}", field="id")
        return approval_message(row)

    async def ListApprovals(
        self, request: approvals_pb2.ListApprovalsRequest, context: Any
    ) -> approvals_pb2.ListApprovalsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        words = [APPROVAL_WORDS[state] for state in request.states if state in APPROVAL_WORDS]
        below = [request.run_id] if request.run_id else []
        limit = page_limit(request.page_size)
        rows = await self._database.read(
            approvals.list_approvals, tenant.id, words, below, decode_cursor(request.page_token), limit + 1
        )
        more = encode_cursor(rows[limit - 1].approval_id) if len(rows) > limit else ""
        shown = [approval_message(row) for row in rows[:limit]]
        return approvals_pb2.ListApprovalsResponse(approvals=shown, next_page_token=more)

    async def DecideApproval(
        self, request: approvals_pb2.DecideApprovalRequest, context: Any
    ) -> approvals_pb2.DecideApprovalResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        principal = current_call().principal
        check_remark(request.comment, "comment")
        answer = codec.loads_field(request.answer_json, "answer")
        check_inline(answer, "answer")
        vote = Vote(
            request.id, request.approve, principal.subject, request.comment, answer, request.data_hash
        )
        row = await self._database.read(approvals.get_approval, tenant.id, request.id)
        if row is not None:
            policy = self._watcher.get(tenant.name, "ApprovalPolicy", row.policy) if row.policy else None
            require_approver(policy.spec if policy else None, row.policy, principal, request.comment)
            if policy is not None and request.approve:
                require_enforced(policy.spec, row.policy)
            if row.state == "open":
                await check_answer(self._database, self._schemas, row, answer)
        ready: list[str] = []
        poke: dict[str, str] = {}
        now = self._engine.clock.now()
        decided = await self._database.write(decide, tenant, vote, now, ready, poke)
        await self._engine.wake(ready, poke)
        run = await self._database.read(deliveries.require_run, tenant, decided.run_id)
        found = await self._database.read(totals, tenant.id, [run])
        shown = run_message(run, found.get(run.run_id))
        return approvals_pb2.DecideApprovalResponse(approval=approval_message(decided), run=shown)
