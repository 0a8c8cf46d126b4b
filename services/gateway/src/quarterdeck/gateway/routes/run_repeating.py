"""New runs out of old ones."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, idempotency_key, upstream
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.gateway.translate.values import number
from quarterdeck.v1 import runs_pb2

# Seconds that a page of reruns may take.
RERUN_TIMEOUT = 120.0

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"])


@router.post("/{id}/fork", operation_id="forkRun", response_model=schemas.Fork)
async def fork_run(request: Request, tenant: Tenant, id: str, body: schemas.ForkRun) -> Response:
    """Starts a new run from a point in an old one's journal, without repeating its effects."""
    message = runs_pb2.ForkRunRequest(
        tenant=tenant,
        run_id=id,
        before_seq=body.before_seq,
        dry_run=body.dry_run,
        idempotency_key=idempotency_key(request),
    )
    return answer(translate.fork(await upstream(request).call("RuntimeService/ForkRun", message)))


@router.post("/{id}/retry", operation_id="retryRun", response_model=schemas.Retry)
async def retry_run(
    request: Request,
    tenant: Tenant,
    id: str,
    body: Annotated[schemas.RetryRun, Body(default_factory=schemas.RetryRun)],
) -> Response:
    """Starts a new run that goes on where an unsuccessful one failed; what succeeded is not repeated.

    A run is retried once: a repeat, with the same Idempotency-Key or with none, answers with the same retry.
    """
    message = runs_pb2.RetryRunRequest(
        tenant=tenant, run_id=id, dry_run=body.dry_run, idempotency_key=idempotency_key(request)
    )
    return answer(translate.retry(await upstream(request).call("RuntimeService/RetryRun", message)))


@router.post("/rerun", operation_id="rerunRuns", response_model=schemas.RerunPage)
async def rerun_runs(request: Request, tenant: Tenant, body: schemas.RerunRuns) -> Response:
    """Runs again what a filter selects, a page at a time.

    Make a dry run first: it shows the runs and answers with `confirm`. The same request with that
    `confirm` starts them, once, however often it is sent; it is refused when other runs would be
    selected by now.
    """
    states = [number(runs_pb2.RunState, text, "RUN_STATE_", "states") for text in body.states]
    message = runs_pb2.RerunRunsRequest(
        tenant=tenant,
        kind=body.kind,
        name=body.name,
        states=states,
        label_selector=body.label_selector,
        created_from=body.created_from,
        created_to=body.created_to,
        page_size=body.limit,
        page_token=body.continue_,
        dry_run=body.dry_run,
        confirm=body.confirm,
        **{"from": runs_pb2.RerunFrom.Value(f"RERUN_FROM_{body.from_.upper()}")},
    )
    found = await upstream(request).call("RuntimeService/RerunRuns", message, RERUN_TIMEOUT)
    return answer(translate.reruns(found))
