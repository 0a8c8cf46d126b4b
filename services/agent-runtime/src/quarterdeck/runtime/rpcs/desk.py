"""What every group of RPCs works with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common import artifacts
from quarterdeck.common.access import Authorizer
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.retaining import Retention
from quarterdeck.runtime.rpcs.translate import run_message
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.starting.many import ManyStarts
from quarterdeck.runtime.store import archives
from quarterdeck.runtime.store.trees import Totals, totals
from quarterdeck.runtime.triggers.service import Triggers
from quarterdeck.v1 import runs_pb2, runs_pb2_grpc


class Desk(runs_pb2_grpc.RuntimeServiceServicer):
    """The base of the groups: they are mixed into one servicer, so each sees the same desk."""

    def __init__(
        self,
        engine: Engine,
        tenants: TenantDirectory,
        starter: Starter,
        triggers: Triggers,
        retention: Retention,
        authorizer: Authorizer,
    ) -> None:
        self._engine = engine
        self._database = engine.database
        self._tenants = tenants
        self._starter = starter
        self._many = ManyStarts(engine, starter, authorizer)
        self._triggers = triggers
        self._retention = retention

    async def _run(self, tenant: TenantId, run_id: str) -> runs_pb2.Run:
        row = await self._database.read(deliveries.require_run, tenant, run_id)
        return (await self._messages(tenant, [row]))[0]

    async def _messages(self, tenant: TenantId, rows: Sequence[Any]) -> list[runs_pb2.Run]:
        """Returns runs as clients see them."""
        found, origins = await self._database.read(_amounts, tenant.id, rows)
        return [run_message(row, found.get(row.run_id), origins.get(row.run_id, "")) for row in rows]

    async def _stored(self, tenant: TenantId, value: Any) -> Any:
        return await artifacts.externalise(self._engine.artifacts, tenant.id, value, INLINE_BYTES)


def _amounts(
    connection: Connection, tenant_id: str, rows: Sequence[Any]
) -> tuple[dict[str, Totals], dict[str, str]]:
    """Returns what runs amount to, and why those are archived that are."""
    ended = [row.run_id for row in rows if row.finished_at is not None]
    origins = archives.origins(connection, tenant_id, ended) if ended else {}
    return totals(connection, tenant_id, rows), origins
