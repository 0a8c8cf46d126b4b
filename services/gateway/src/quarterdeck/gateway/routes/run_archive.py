"""Runs as they are kept: archives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, upstream
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.v1 import runs_pb2

# Seconds that a sweep over a tenant's runs may take.
SWEEP_TIMEOUT = 600.0

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"])


@router.post("/archive", operation_id="archiveRuns", response_model=schemas.Archived)
async def archive_runs(
    request: Request,
    tenant: Tenant,
    body: Annotated[schemas.ArchiveRuns, Body(default_factory=schemas.ArchiveRuns)],
) -> Response:
    """Archives what has ended long enough ago, now instead of within the hour; collects what nothing names.

    Archived runs can be read, forked and run again.
    """
    message = runs_pb2.ArchiveRunsRequest(
        tenant=tenant, older_than_seconds=body.older_than_seconds, dry_run=body.dry_run
    )
    found = await upstream(request).call("RuntimeService/ArchiveRuns", message, SWEEP_TIMEOUT)
    return answer(translate.archived(found))
