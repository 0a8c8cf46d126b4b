"""Many starts in one request."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, idempotency_key, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import batches as schemas
from quarterdeck.gateway.translate import batches as translate

# Seconds that a batch may take.
BATCH_TIMEOUT = 60.0

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"], route_class=StrictRoute)


@router.post("/batch", operation_id="startRuns", response_model=schemas.StartedRuns)
async def start_runs(request: Request, tenant: Tenant, body: schemas.StartRuns) -> Response:
    """Accepts many runs, each by itself: one that is refused refuses no other.

    When this answers, what was accepted is durable. A repeat with the same Idempotency-Key, after an answer
    that was lost, answers with the same runs and starts those that were not accepted before. A request that
    breaks its own schema starts nothing.
    """
    message = translate.batch_request(tenant, body, idempotency_key(request))
    started = await upstream(request).call("RuntimeService/StartRuns", message, BATCH_TIMEOUT)
    return answer(translate.batch(started))
