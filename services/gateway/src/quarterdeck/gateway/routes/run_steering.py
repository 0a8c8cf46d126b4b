"""What people do to a run while it lives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, call_id, upstream
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.v1 import runs_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"])


@router.post("/{id}/cancel", operation_id="cancelRun", response_model=schemas.Run)
async def cancel_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.CancelRun, Body(default_factory=schemas.CancelRun)],
) -> Response:
    """Asks a run and its children to stop. Compensation and `finally` still run."""
    message = runs_pb2.CancelRunRequest(tenant=tenant, run_id=id, reason=body.reason)
    return answer(translate.run(await upstream(request).call("RuntimeService/CancelRun", message)))


@router.post("/{id}/terminate", operation_id="terminateRun", response_model=schemas.Run)
async def terminate_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.TerminateRun, Body(default_factory=schemas.TerminateRun)],
) -> Response:
    """Ends a run and its children at once: nothing is undone, `finally` does not run.

    What was in flight is shown as `abandoned` among the effects: whether it was done is not known.
    """
    message = runs_pb2.TerminateRunRequest(tenant=tenant, run_id=id, reason=body.reason)
    return answer(translate.run(await upstream(request).call("RuntimeService/TerminateRun", message)))


@router.post("/{id}/pause", operation_id="pauseRun", response_model=schemas.Run)
async def pause_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.PauseRun, Body(default_factory=schemas.PauseRun)],
) -> Response:
    """Lets a run and its children finish what is in flight, and stand still until `resume`."""
    message = runs_pb2.PauseRunRequest(tenant=tenant, run_id=id, reason=body.reason)
    return answer(translate.run(await upstream(request).call("RuntimeService/PauseRun", message)))


@router.post("/{id}/signal", operation_id="signalRun", response_model=schemas.Run)
async def signal_run(request: Request, tenant: Tenant, id: str, body: schemas.Signal) -> Response:
    """Delivers a signal; the same signal id, or the same Idempotency-Key, delivers it once."""
    message = runs_pb2.SignalRunRequest(
        tenant=tenant,
        run_id=id,
        name=body.name,
        payload_json=encoded(body.payload),
        signal_id=body.id or call_id(request, tenant, id),
    )
    return answer(translate.run(await upstream(request).call("RuntimeService/SignalRun", message)))


@router.post("/{id}/resume", operation_id="resumeRun", response_model=schemas.Run)
async def resume_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.ResumeRun, Body(default_factory=schemas.ResumeRun)],
) -> Response:
    """Lets a paused, parked or quarantined run go on."""
    message = runs_pb2.ResumeRunRequest(
        tenant=tenant,
        run_id=id,
        resolution=body.resolution,
        # A null that is given is an outcome; none given is none.
        outcome_json=b"null" if body.says_null_outcome else encoded(body.outcome),
        effect_id=body.effect_id,
    )
    return answer(translate.run(await upstream(request).call("RuntimeService/ResumeRun", message)))


@router.post("/{id}/repin", operation_id="repinRun", response_model=schemas.Repin)
async def repin_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.RepinRun, Body(default_factory=schemas.RepinRun)],
) -> Response:
    """Moves a parked run to the newest revisions of what it pins."""
    message = runs_pb2.RepinRunRequest(tenant=tenant, run_id=id, dry_run=body.dry_run)
    return answer(translate.repin(await upstream(request).call("RuntimeService/RepinRun", message)))
