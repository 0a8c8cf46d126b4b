"""Declared resources of a tenant: list, read, apply, delete, revisions, watch."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import (
    TENANT_KINDS,
    TENANT_PREFIX,
)
from quarterdeck.gateway.routes.common import (
    Continue,
    Limit,
    Tenant,
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

Plural = Annotated[str, Path(description=f"One of: {', '.join(TENANT_KINDS)}.", examples=["workflows"])]


class KindConvertor(StringConvertor):
    """Matches the plural of a kind, so that these routes may come first: they are the most used."""

    regex = "|".join(TENANT_KINDS)


register_url_convertor("kind", KindConvertor())


class DirectRoute(APIRoute):
    """A route that calls its endpoint with the path's parameters, all of them strings.

    What FastAPI does between the two costs as much as the endpoint; reading an object is the
    one request that is made often enough to go without.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler."""
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request, **request.path_params)
            return response

        return handle


_BASE = f"{TENANT_PREFIX}/{{plural:kind}}"
_ONE = f"{_BASE}/{{name}}"


async def get_object(request: Request, tenant: Tenant, plural: Plural, name: str) -> Response:
    """Reads one object."""
    return await read(request, tenant, TENANT_KINDS[plural], name)


router.add_api_route(
    _ONE,
    get_object,
    methods=["GET"],
    operation_id="getObject",
    response_model=schemas.Manifest,
    route_class_override=DirectRoute,
)


@router.get(_BASE, operation_id="listObjects", response_model=schemas.ManifestPage, responses=STREAM)
async def list_objects(request: Request, tenant: Tenant, plural: Plural, query: Listing) -> Response:
    """Lists objects of a kind; with `watch=true` streams their changes.

    A watch resumes by `resourceVersion` or `Last-Event-ID`.
    """
    return await list_or_watch(request, tenant, TENANT_KINDS[plural], query)


@router.post(
    _BASE,
    operation_id="createObject",
    status_code=201,
    response_model=schemas.Manifest,
    openapi_extra=MANIFEST_BODY,
)
async def create_object(request: Request, tenant: Tenant, plural: Plural, query: Applying) -> Response:
    """Creates an object."""
    return await create(request, tenant, TENANT_KINDS[plural], query)


@router.put(_ONE, operation_id="applyObject", response_model=schemas.Manifest, openapi_extra=MANIFEST_BODY)
async def apply_object(
    request: Request, tenant: Tenant, plural: Plural, name: str, query: Applying
) -> Response:
    """Creates or updates an object; the header `Quarterdeck-Outcome` says which."""
    return await apply(request, tenant, TENANT_KINDS[plural], name, query)


@router.delete(_ONE, operation_id="deleteObject", response_model=schemas.Manifest)
async def delete_object(
    request: Request, tenant: Tenant, plural: Plural, name: str, version: Version = ""
) -> Response:
    """Deletes an object."""
    return await delete(request, tenant, TENANT_KINDS[plural], name, version)


@router.get(f"{_ONE}/revisions", operation_id="listRevisions", response_model=Page[schemas.Revision])
async def list_revisions(
    request: Request,
    *,
    tenant: Tenant,
    plural: Plural,
    name: str,
    limit: Limit = 100,
    continue_: Continue = "",
) -> Response:
    """Lists the revisions of an object, the newest first."""
    return await revisions(request, tenant, TENANT_KINDS[plural], name, (limit, continue_))
