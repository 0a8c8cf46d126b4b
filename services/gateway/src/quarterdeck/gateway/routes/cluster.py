"""Declared resources of the whole platform, directly under the API's prefix."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import (
    API_PREFIX,
    CLUSTER_KINDS,
)
from quarterdeck.gateway.routes.common import (
    Continue,
    Limit,
)
from quarterdeck.gateway.routes.objects import (
    MANIFEST_BODY,
    STREAM,
    Applying,
    Listing,
    Version,
    apply,
    create,
    delete,
    list_or_watch,
    read,
    revisions,
)
from quarterdeck.gateway.schemas import objects as schemas
from quarterdeck.gateway.schemas.base import Page

router = APIRouter(tags=["resources"])


def _add_cluster_routes(plural: str, kind: str) -> None:
    """Adds the routes of a cluster-scoped kind, directly under the API's prefix."""
    base, one = f"{API_PREFIX}/{plural}", f"{API_PREFIX}/{plural}/{{name}}"

    @router.get(one, operation_id=f"get{kind}", response_model=schemas.Manifest)
    async def get_object(request: Request, name: str) -> Response:
        return await read(request, "", kind, name)

    @router.get(base, operation_id=f"list{kind}", response_model=schemas.ManifestPage, responses=STREAM)
    async def list_objects(request: Request, query: Listing) -> Response:
        return await list_or_watch(request, "", kind, query)

    @router.post(
        base,
        operation_id=f"create{kind}",
        status_code=201,
        response_model=schemas.Manifest,
        openapi_extra=MANIFEST_BODY,
    )
    async def create_object(request: Request, query: Applying) -> Response:
        return await create(request, "", kind, query)

    @router.put(
        one, operation_id=f"apply{kind}", response_model=schemas.Manifest, openapi_extra=MANIFEST_BODY
    )
    async def apply_object(request: Request, name: str, query: Applying) -> Response:
        return await apply(request, "", kind, name, query)

    @router.delete(one, operation_id=f"delete{kind}", response_model=schemas.Manifest)
    async def delete_object(request: Request, name: str, version: Version = "") -> Response:
        return await delete(request, "", kind, name, version)

    @router.get(
        f"{one}/revisions", operation_id=f"list{kind}Revisions", response_model=Page[schemas.Revision]
    )
    async def list_revisions(
        request: Request, name: str, limit: Limit = 100, continue_: Continue = ""
    ) -> Response:
        return await revisions(request, "", kind, name, (limit, continue_))


for _plural, _kind in CLUSTER_KINDS.items():
    _add_cluster_routes(_plural, _kind)
