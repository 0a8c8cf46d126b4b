"""New runs out of old ones."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime.forking import Forker
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class RepeatingRpcs(Desk):
    """ForkRun."""

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
