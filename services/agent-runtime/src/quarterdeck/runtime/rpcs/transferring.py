"""Runs out of here and into here, as files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quarterdeck.common.identity import current_call
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class TransferringRpcs(Desk):
    """ExportRun, ImportRun."""

    async def ExportRun(
        self, request: runs_pb2.ExportRunRequest, context: Any
    ) -> AsyncIterator[runs_pb2.ExportRunResponse]:
        """See the contract."""
        from quarterdeck.runtime.transfer.exporting import Exporter

        tenant = await self._tenants.resolve(request.tenant)
        async for piece in Exporter(self._engine, tenant).export(request.run_id):
            if piece:
                yield runs_pb2.ExportRunResponse(data=piece)

    async def ImportRun(self, request: runs_pb2.ImportRunRequest, context: Any) -> runs_pb2.ImportRunResponse:
        """See the contract."""
        from quarterdeck.runtime.transfer.importing import Importer

        tenant = await self._tenants.resolve(request.tenant)
        done = await Importer(self._engine, tenant, current_call().principal).bring(request.data)
        return runs_pb2.ImportRunResponse(
            run=await self._run(tenant, done.run_id),
            runs=done.runs,
            events=done.events,
            artifacts=done.artifacts,
            original_run_id=done.original,
        )
