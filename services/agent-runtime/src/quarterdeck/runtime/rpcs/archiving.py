"""How long runs are kept, and what they are kept as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class ArchivingRpcs(Desk):
    """ArchiveRuns."""

    async def ArchiveRuns(
        self, request: runs_pb2.ArchiveRunsRequest, context: Any
    ) -> runs_pb2.ArchiveRunsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if request.older_than_seconds < 0:
            raise InvalidArgument("a length of time is not negative", field="olderThanSeconds")
        rule = self._retention.rule(tenant.name)
        if request.older_than_seconds:
            rule = replace(rule, archive_after=float(request.older_than_seconds))
        look = self._retention.would if request.dry_run else self._retention.sweep
        tally = await look(tenant.id, rule)
        return runs_pb2.ArchiveRunsResponse(
            runs=tally.runs,
            events=tally.events,
            deleted_runs=tally.deleted_runs,
            artifacts=tally.artifacts,
        )
