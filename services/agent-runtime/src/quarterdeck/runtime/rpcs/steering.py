"""What people do to a run while it lives."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import current_call
from quarterdeck.runtime.bounds import check_names, check_remark, check_resolution
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.repinning import Repinner
from quarterdeck.runtime.operations.signals import check_signal
from quarterdeck.runtime.operations.terminating import Terminator
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.v1 import runs_pb2


class SteeringRpcs(Desk):
    """CancelRun, TerminateRun, PauseRun, SignalRun, ResumeRun, RepinRun."""

    async def CancelRun(self, request: runs_pb2.CancelRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_remark(request.reason, "reason")
        by = current_call().principal.subject
        now = self._engine.clock.now()
        woken = await self._database.write(deliveries.cancel, tenant, request.run_id, request.reason, by, now)
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def TerminateRun(self, request: runs_pb2.TerminateRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_remark(request.reason, "reason")
        by = current_call().principal.subject
        await Terminator(self._engine).terminate(tenant, request.run_id, request.reason, by)
        return await self._run(tenant, request.run_id)

    async def PauseRun(self, request: runs_pb2.PauseRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_remark(request.reason, "reason")
        by = current_call().principal.subject
        now = self._engine.clock.now()
        woken = await self._database.write(deliveries.pause, tenant, request.run_id, request.reason, by, now)
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def SignalRun(self, request: runs_pb2.SignalRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        if not request.name:
            raise InvalidArgument("a signal has a name", field="name")
        check_names(name=request.name, id=request.signal_id)
        payload = codec.loads_field(request.payload_json, "payload")
        row = await self._database.read(deliveries.require_run, tenant, request.run_id)
        definition = await self._engine.definition(tenant.id, row.closure, row.kind, row.name)
        await check_signal(definition, request.name, payload, "payload")
        payload = await self._stored(tenant, payload)
        now = self._engine.clock.now()
        woken = await self._database.write(
            deliveries.signal, tenant, request.run_id, request.name, payload, request.signal_id, now
        )
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def ResumeRun(self, request: runs_pb2.ResumeRunRequest, context: Any) -> runs_pb2.Run:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_resolution(request.resolution, request.outcome_json)
        data = {
            "by": current_call().principal.subject,
            "resolution": request.resolution,
            "outcome": await self._stored(tenant, codec.loads_field(request.outcome_json, "outcome")),
            "effect": request.effect_id,
        }
        now = self._engine.clock.now()
        woken = await self._database.write(deliveries.resume, tenant, request.run_id, data, now)
        await self._engine.wake(*woken)
        return await self._run(tenant, request.run_id)

    async def RepinRun(self, request: runs_pb2.RepinRunRequest, context: Any) -> runs_pb2.RepinRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        plan = await Repinner(self._engine, self._starter).repin(
            tenant, request.run_id, dry_run=request.dry_run
        )
        run = await self._run(tenant, request.run_id)
        return runs_pb2.RepinRunResponse(run=run, changes=plan.changes, problems=plan.problems)
