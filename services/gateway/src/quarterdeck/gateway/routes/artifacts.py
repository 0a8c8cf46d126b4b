"""Artifacts: payloads too large to be inline."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from quarterdeck.common.errors import NotFound
from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, upstream
from quarterdeck.v1 import runs_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/artifacts", tags=["artifacts"])


@router.get(
    "/{digest}",
    operation_id="getArtifact",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def get_artifact(request: Request, tenant: Tenant, digest: str) -> Response:
    """Reads an artifact. It never changes, so it may be kept for ever."""
    message = runs_pb2.GetArtifactRequest(tenant=tenant, digest=digest)
    chunks = upstream(request).stream("RuntimeService/GetArtifact", message)
    first = await anext(chunks, None)
    if first is None:
        raise NotFound(f"no artifact {digest}")
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'attachment; filename="{digest.replace(":", "-")}"',
        "Content-Length": str(first.size),
    }
    media_type = first.media_type or "application/octet-stream"
    return StreamingResponse(_data(first, chunks), headers=headers, media_type=media_type)


async def _data(
    first: runs_pb2.ArtifactChunk, rest: AsyncIterator[runs_pb2.ArtifactChunk]
) -> AsyncIterator[bytes]:
    yield first.data
    async for chunk in rest:
        yield chunk.data
