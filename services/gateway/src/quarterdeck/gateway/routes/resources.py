"""Declared resources of a tenant: list, read, apply, delete, revisions, watch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import (
    TENANT_KINDS,
    TENANT_PREFIX,
)
from quarterdeck.gateway.problems import RouteNotFound
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


def kind_of(plural: str) -> str:
    """Returns the kind of a path. Raises RouteNotFound with the known ones."""
    kind = TENANT_KINDS.get(plural)
    if kind is None:
        raise RouteNotFound(f"there is no kind {plural!r}", hint=f"one of: {', '.join(TENANT_KINDS)}")
    return kind


_BASE = f"{TENANT_PREFIX}/{{plural}}"
_ONE = f"{_BASE}/{{name}}"


@router.get(_ONE, operation_id="getObject", response_model=schemas.Manifest)
async def get_object(request: Request, tenant: Tenant, plural: Plural, name: str) -> Response:
    """Reads one object."""
    return await read(request, tenant, kind_of(plural), name)


@router.get(_BASE, operation_id="listObjects", response_model=schemas.ManifestPage, responses=STREAM)
async def list_objects(request: Request, tenant: Tenant, plural: Plural, query: Listing) -> Response:
    """Lists objects of a kind; with `watch=true` streams their changes.

    A watch resumes by `resourceVersion` or `Last-Event-ID`.
    """
    return await list_or_watch(request, tenant, kind_of(plural), query)


@router.post(
    _BASE,
    operation_id="createObject",
    status_code=201,
    response_model=schemas.Manifest,
    openapi_extra=MANIFEST_BODY,
)
async def create_object(request: Request, tenant: Tenant, plural: Plural, query: Applying) -> Response:
    """Creates an object."""
    return await create(request, tenant, kind_of(plural), query)


@router.put(_ONE, operation_id="applyObject", response_model=schemas.Manifest, openapi_extra=MANIFEST_BODY)
async def apply_object(
    request: Request, tenant: Tenant, plural: Plural, name: str, query: Applying
) -> Response:
    """Creates or updates an object; the header `Quarterdeck-Outcome` says which."""
    return await apply(request, tenant, kind_of(plural), name, query)


@router.delete(_ONE, operation_id="deleteObject", response_model=schemas.Manifest)
async def delete_object(
    request: Request, tenant: Tenant, plural: Plural, name: str, version: Version = ""
) -> Response:
    """Deletes an object."""
    return await delete(request, tenant, kind_of(plural), name, version)


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
    return await revisions(request, tenant, kind_of(plural), name, (limit, continue_))
