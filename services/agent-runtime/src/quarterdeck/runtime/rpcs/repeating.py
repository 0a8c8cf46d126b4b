"""New runs out of old ones."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.identity import current_call
from quarterdeck.runtime.bounds import check_names
from quarterdeck.runtime.forking import Forker
from quarterdeck.runtime.retrying import Retrier
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class RepeatingRpcs(Desk):
    """ForkRun, RetryRun."""

    async def ForkRun(self, request: runs_pb2.ForkRunRequest, context: Any) -> runs_pb2.ForkRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        fork = await Forker(self._engine).fork(
            tenant, request.run_id, request.before_seq, request.idempotency_key, dry_run=request.dry_run
        )
        run = await self._run(tenant, fork.run_id) if fork.run_id else None
        return runs_pb2.ForkRunResponse(
            run=run, copied_events=fork.copied, kept_steps=fork.kept, next_steps=fork.following
        )

    async def RetryRun(self, request: runs_pb2.RetryRunRequest, context: Any) -> runs_pb2.RetryRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_names(idempotencyKey=request.idempotency_key)
        by = current_call().principal.subject
        made = await Retrier(self._engine).retry(
            tenant, request.run_id, by, request.idempotency_key, dry_run=request.dry_run
        )
        run = None if request.dry_run else await self._run(tenant, made.run_id)
        growth = made.growth
        return runs_pb2.RetryRunResponse(
            run=run,
            kept_events=sum(growth.lengths.values()),
            kept_steps=made.kept,
            next_steps=made.following,
            uncertain_steps=made.uncertain,
            retried_children=max(0, len(growth.new_runs) - 1),
            kept_children=len(growth.ended_runs),
        )
