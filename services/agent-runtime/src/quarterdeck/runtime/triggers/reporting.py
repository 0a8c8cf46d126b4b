"""Says in each Trigger's status when it is due next, and what it did last.

A pass compares what the rows say with what the objects show and writes the difference, so nothing has to be
remembered across restarts, and two runtimes that write write the same. The registry is the one that merges.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock, rfc3339
from quarterdeck.common.database import Database, across_tenants, within
from quarterdeck.common.errors import NotFound, QuarterdeckError
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.tables import TRIGGERS, WATCHED
from quarterdeck.runtime.triggers.store import KIND
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

log = structlog.get_logger("triggers")

# Seconds between two passes, so a trigger that fires often is written no more often than that.
PERIOD = 2.0
RETRY = 30.0
# The condition of a Trigger that says whether its account may start what it is for.
PERMITTED = "Permitted"


@dataclass(frozen=True, slots=True)
class Report:
    """What the status of one Trigger should say; a field of None is not there."""

    tenant: str
    name: str
    uid: str
    fields: tuple[tuple[str, str | None], ...]


def due_reports(connection: Connection) -> list[Report]:
    """Returns a report for each trigger whose object shows something else than its row says."""
    across_tenants(connection)
    t, w = TRIGGERS.c, WATCHED.c
    same = (w.tenant_id == t.tenant_id) & (w.kind == KIND) & (w.name == t.name)
    columns = (t.next_due, t.last_fired, t.last_run_id, w.tenant, w.name, w.object_json)
    rows = connection.execute(select(*columns).select_from(TRIGGERS.join(WATCHED, same)))
    return [report for row in rows if (report := _difference(row)) is not None]


def _difference(row: Any) -> Report | None:
    shown = codec.loads(row.object_json)
    status = shown.get("status") or {}
    wanted = {
        "nextTime": rfc3339(row.next_due) or None,
        "lastTime": rfc3339(row.last_fired) or None,
        "lastRun": row.last_run_id or None,
    }
    if all(status.get(name) == value for name, value in wanted.items()):
        return None
    return Report(
        row.tenant, row.name, str((shown.get("metadata") or {}).get("uid") or ""), tuple(wanted.items())
    )


def permitted(denied: str) -> dict[str, str]:
    """Returns the condition that says whether a trigger's account may start its target."""
    if denied:
        return {"type": PERMITTED, "status": "False", "reason": "AccountDenied", "message": denied}
    return {"type": PERMITTED, "status": "True", "reason": "AccountAllowed"}


def _status_of(connection: Connection, tenant_id: str, name: str) -> list[dict[str, Any]]:
    """Returns the conditions that a trigger's object shows."""
    within(connection, tenant_id)
    w = WATCHED.c
    mine = (w.tenant_id == tenant_id) & (w.kind == KIND) & (w.name == name)
    found = connection.execute(select(w.object_json).where(mine)).scalar_one_or_none()
    conditions = ((codec.loads(found).get("status") or {}).get("conditions") or []) if found else []
    return list(conditions)


class StatusReporter:
    """Writes the reports to the registry."""

    def __init__(self, registry: Peer, database: Database, clock: Clock) -> None:
        self._registry = registry
        self._stub = registry.stub(resources_pb2_grpc.RegistryServiceStub)
        self._database = database
        self._clock = clock
        # An object that does not show what was written (its spec is not in force) is not written again.
        self._said: set[Report] = set()
        # What each trigger's status says of its account: why it is denied, or nothing.
        self._permitted: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Reports until cancelled."""
        act_for(None)
        while True:
            await self._clock.sleep(PERIOD if await self.report() else RETRY)

    async def tell_permitted(self, tenant: TenantId, name: str, denied: str) -> None:
        """Says once whether a trigger's account may start its target; see `firing.Told`."""
        place = tenant.id, name
        known = self._permitted.get(place)
        if known == denied or (known is None and not denied and not await self._shows_denial(place)):
            return
        data = codec.dumps({"conditions": [permitted(denied)]})
        request = resources_pb2.UpdateStatusRequest(
            tenant=tenant.name, kind=KIND, name=name, status_json=data
        )
        try:
            await self._registry.call(self._stub.UpdateStatus, request)
            self._permitted[place] = denied
        except QuarterdeckError as error:
            log.info("triggers.status_not_written", reason=error.message)

    async def _shows_denial(self, place: tuple[str, str]) -> bool:
        shown = await self._database.read(_status_of, *place)
        return any(one.get("type") == PERMITTED and one.get("status") == "False" for one in shown)

    async def report(self) -> bool:
        """Makes one pass; False if something could not be written."""
        try:
            due = set(await self._database.read(due_reports))
            self._said &= due
            for report in due - self._said:
                await self._write(report)
        except QuarterdeckError as error:
            log.info("triggers.status_not_written", reason=error.message)
            return False
        return True

    async def _write(self, report: Report) -> None:
        request = resources_pb2.UpdateStatusRequest(
            tenant=report.tenant, kind=KIND, name=report.name, status_json=codec.dumps(dict(report.fields))
        )
        # One that was deleted meanwhile has no status; its row is about to go.
        with contextlib.suppress(NotFound):
            await self._registry.call(self._stub.UpdateStatus, request)
        self._said.add(report)
