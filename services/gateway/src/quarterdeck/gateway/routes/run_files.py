"""Runs as files: export, and import of what another platform exported."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, upstream
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.v1 import runs_pb2

GZIP = "application/gzip"
# Seconds that reading and keeping a file may take.
IMPORT_TIMEOUT = 300.0
_FILE = {GZIP: {"schema": {"type": "string", "format": "binary"}}}

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"])


@router.get(
    "/{id}/export", operation_id="exportRun", response_class=Response, responses={200: {"content": _FILE}}
)
async def export_run(request: Request, tenant: Tenant, id: str) -> Response:
    """A run and every run below it as one file: definitions, journals, artifacts.

    Lines of JSON, compressed by gzip, each with a hash over itself and those before it; the last says how
    much there was. An open run is written as it stands.
    """
    message = runs_pb2.ExportRunRequest(tenant=tenant, run_id=id)
    pieces = upstream(request).stream("RuntimeService/ExportRun", message)
    first = await anext(pieces, runs_pb2.ExportRunResponse())
    headers = {"Content-Disposition": f'attachment; filename="run-{id}.jsonl.gz"'}
    return StreamingResponse(_data(first, pieces), headers=headers, media_type=GZIP)


async def _data(
    first: runs_pb2.ExportRunResponse, rest: AsyncIterator[runs_pb2.ExportRunResponse]
) -> AsyncIterator[bytes]:
    yield first.data
    async for piece in rest:
        yield piece.data


@router.post(
    "/import",
    operation_id="importRun",
    response_model=schemas.ImportedRun,
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
)
async def import_run(request: Request, tenant: Tenant) -> Response:
    """Keeps an exported run as an archived copy: it can be read, forked and retried, and never goes on.

    The same file again is the same run. A file that was edited is refused. What is forked acts for whoever
    imported it.
    """
    data = await request.body()
    if not data:
        raise InvalidArgument("the body is empty", field="body", hint="send the file that was exported")
    message = runs_pb2.ImportRunRequest(tenant=tenant, data=data)
    found = await upstream(request).call("RuntimeService/ImportRun", message, IMPORT_TIMEOUT)
    location = f"{request.url.path.removesuffix('import')}{found.run.id}"
    return answer(translate.imported(found), 201, {"Location": location})
