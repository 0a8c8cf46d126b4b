"""What every group of RPCs works with."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.runtime import operations
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.starting import Starter
from quarterdeck.runtime.store.trees import totals
from quarterdeck.runtime.translate import run_message
from quarterdeck.runtime.triggers.service import Triggers
from quarterdeck.v1 import runs_pb2, runs_pb2_grpc


class Desk(runs_pb2_grpc.RuntimeServiceServicer):
    """The base of the groups: they are mixed into one servicer, so each sees the same desk."""

    def __init__(
        self, engine: Engine, tenants: TenantDirectory, starter: Starter, triggers: Triggers
    ) -> None:
        self._engine = engine
        self._database = engine.database
        self._tenants = tenants
        self._starter = starter
        self._triggers = triggers

    async def _run(self, tenant: TenantId, run_id: str) -> runs_pb2.Run:
        row = await self._database.read(operations.require_run, tenant, run_id)
        found = await self._database.read(totals, tenant.id, [row])
        return run_message(row, found.get(run_id))

    async def _stored(self, tenant: TenantId, value: Any) -> Any:
        return await artifacts.externalise(self._engine.artifacts, tenant.id, value, INLINE_BYTES)
