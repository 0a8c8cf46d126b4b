"""Runs of suspended principals stand still at their next step, and go on when these are restored.

The gateway knows who is suspended; each worker asks it again and again. A root run is paused, which it passes
on to those below it. What its row says while it stands still tells that it was for this: so nothing has to be
remembered, and runs that a person has paused stay so.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Connection, Row, select

from quarterdeck.common import codec
from quarterdeck.common.database import across_tenants
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.tables import RUNS
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

log = structlog.get_logger("suspending")

# Seconds between two questions; until a run that was told reads it, it is not told again as long.
PERIOD = 2.0
PATIENCE = 300.0
PAGE = 500
# Who does it, in journals.
ITSELF = "system:service:agent-runtime"
_STARTS, _ENDS = "principal ", " is suspended"
_PAUSED = "paused"
# A run in quarantine moves only when somebody lets it, and is looked at then.
_MOVING = ("pending", "running", "waiting")
_R = RUNS.c
_ROOTS = (
    select(_R.run_id, _R.tenant_id, _R.tenant, _R.principal, _R.reason)
    .where(_R.state.in_(_MOVING), _R.parent_run_id == "")
    .order_by(_R.run_id)
    .limit(PAGE)
)


def reason_of(principal: str) -> str:
    """Returns why a run of a suspended principal is paused."""
    return f"{_STARTS}{principal}{_ENDS}"


def stands_for(row_reason: str) -> bool:
    """True for what a run's row says while it stands still since its principal is suspended."""
    said = row_reason.removeprefix("paused: ")
    return said != row_reason and said.startswith(_STARTS) and said.endswith(_ENDS)


def roots_after(connection: Connection, last: str, only_paused: bool) -> list[Row[tuple[str, ...]]]:
    """Returns a page of open root runs, of all tenants, those after `last`."""
    across_tenants(connection)
    query = _ROOTS.where(_R.run_id > last)
    if only_paused:
        query = query.where(_R.reason.like(f"paused: {_STARTS}%"))
    return list(connection.execute(query))


class Suspending:
    """Pauses and resumes what the list of the suspended says."""

    def __init__(self, engine: Engine, gateway: Peer) -> None:
        self._engine = engine
        self._gateway = gateway
        self._stub = gateway.stub(authorization_pb2_grpc.AccessServiceStub)
        # When a run was told to stand still; it may be within a long step.
        self._told: dict[str, float] = {}
        # Nobody is suspended, and nothing stands still for anybody.
        self._quiet = False

    async def run(self) -> None:
        """Looks until cancelled."""
        act_for(None)
        while True:
            await self._engine.clock.sleep(PERIOD)
            try:
                await self.look()
            except QuarterdeckError as error:  # while nobody can say who is suspended, all stays as it is
                log.debug("suspending.not_known", reason=error.message)
            except Exception:
                log.exception("suspending.failed")

    async def look(self) -> None:
        """Looks once at all open root runs; only at those that stand still for it if nobody is suspended."""
        request = authorization_pb2.ListSuspensionsRequest()
        answer = await self._gateway.call(self._stub.ListSuspensions, request, patience=0)
        suspended = {one.principal for one in answer.items}
        if self._quiet and not suspended:
            return
        self._quiet = not suspended
        now, last = self._engine.clock.now(), ""
        self._told = {run_id: at for run_id, at in self._told.items() if now - at < PATIENCE}
        while rows := await self._engine.database.read(roots_after, last, not suspended):
            self._quiet = False
            for row in rows:
                await self._decide(row, suspended, now)
            last = rows[-1].run_id

    async def _decide(self, row: Row[tuple[str, ...]], suspended: set[str], now: float) -> None:
        principal = codec.loads(row.principal)["subject"]
        stands = stands_for(row.reason)
        moves = not row.reason.startswith(_PAUSED) and row.run_id not in self._told
        if principal in suspended and moves:
            await self._pause(row, principal, now)
        elif stands and principal not in suspended:
            await self._resume(row, now)

    async def _pause(self, row: Row[tuple[str, ...]], principal: str, now: float) -> None:
        tenant = TenantId(row.tenant, row.tenant_id)
        log.warning("run.principal_suspended", run_id=row.run_id, principal=principal)
        try:
            woken = await self._engine.database.write(
                deliveries.pause, tenant, row.run_id, reason_of(principal), ITSELF, now
            )
        except QuarterdeckError:  # it ended meanwhile
            return
        self._told[row.run_id] = now
        await self._engine.wake(*woken)

    async def _resume(self, row: Row[tuple[str, ...]], now: float) -> None:
        tenant, data = TenantId(row.tenant, row.tenant_id), {"by": ITSELF}
        try:
            woken = await self._engine.database.write(deliveries.resume, tenant, row.run_id, data, now)
        except QuarterdeckError:  # it ended meanwhile
            return
        self._told.pop(row.run_id, None)
        await self._engine.wake(*woken)
