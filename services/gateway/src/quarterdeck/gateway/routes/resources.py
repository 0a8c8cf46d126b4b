"""Declared resources: list, read, apply, delete, revisions, watch.

Objects travel as the bytes that the registry sent: nothing here decodes them but an apply,
which must name the kind and the name of its path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import (
    API_PREFIX,
    CLUSTER_KINDS,
    OUTCOME_HEADER,
    TENANT_KINDS,
    TENANT_PREFIX,
)
from quarterdeck.gateway.problems import RouteNotFound
from quarterdeck.gateway.routes.common import (
    Continue,
    LabelSelector,
    Limit,
    OrderBy,
    Tenant,
    answer,
    last_event_id,
    raw,
    upstream,
)
from quarterdeck.gateway.schemas import objects as schemas
from quarterdeck.gateway.schemas.base import Page
from quarterdeck.gateway.streams import event_stream
from quarterdeck.gateway.translate import objects as translate
from quarterdeck.gateway.translate.values import word
from quarterdeck.v1 import resources_pb2

router = APIRouter(tags=["resources"])

Plural = Annotated[str, Path(description=f"One of: {', '.join(TENANT_KINDS)}.", examples=["workflows"])]
Version = Annotated[str, Query(alias="resourceVersion", description="Only if this is its present version.")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
MANIFEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Manifest"}}},
    }
}
_CREATED = resources_pb2.ApplyObjectResponse.OUTCOME_CREATED


@dataclass(slots=True)
class ListQuery:
    """The query of a list, or of a watch."""

    label_selector: LabelSelector = ""
    limit: Limit = 100
    continue_: Continue = ""
    order_by: OrderBy = ""
    watch: Annotated[bool, Query(description="Stream changes as server-sent events instead.")] = False
    resource_version: Annotated[
        str, Query(alias="resourceVersion", description="Where a watch begins; empty: with every object.")
    ] = ""


@dataclass(slots=True)
class ApplyQuery:
    """The query of an apply."""

    resource_version: Version = ""
    dry_run: Annotated[bool, Query(alias="dryRun", description="Validate and answer, write nothing.")] = False
    create_only: Annotated[bool, Query(alias="createOnly", description="Fail if it exists.")] = False


Listing = Annotated[ListQuery, Depends()]
Applying = Annotated[ApplyQuery, Depends()]


def kind_of(plural: str) -> str:
    """Returns the kind of a path. Raises RouteNotFound with the known ones."""
    kind = TENANT_KINDS.get(plural)
    if kind is None:
        raise RouteNotFound(f"there is no kind {plural!r}", hint=f"one of: {', '.join(TENANT_KINDS)}")
    return kind


async def list_or_watch(request: Request, tenant: str, kind: str, query: ListQuery) -> Response:
    """Answers a list, or a watch if the query asks for one."""
    if query.watch:
        return await event_stream(request, _watch(request, tenant, kind, query))
    message = resources_pb2.ListObjectsRequest(
        tenant=tenant,
        kind=kind,
        label_selector=query.label_selector,
        page_size=query.limit,
        page_token=query.continue_,
        order_by=query.order_by,
    )
    return raw(translate.object_list(await upstream(request).call("RegistryService/ListObjects", message)))


async def _watch(request: Request, tenant: str, kind: str, query: ListQuery) -> AsyncIterator[bytes]:
    message = resources_pb2.WatchObjectsRequest(
        tenant=tenant,
        kind=kind,
        resource_version=last_event_id(request) or query.resource_version,
        label_selector=query.label_selector,
    )
    async for event in upstream(request).stream("RegistryService/WatchObjects", message):
        yield translate.watch_frame(event)


async def read(request: Request, tenant: str, kind: str, name: str) -> Response:
    """Answers with one object."""
    message = resources_pb2.GetObjectRequest(tenant=tenant, kind=kind, name=name)
    return raw((await upstream(request).call("RegistryService/GetObject", message)).object_json)


async def apply(request: Request, tenant: str, kind: str, name: str | None, query: ApplyQuery) -> Response:
    """Creates or updates an object; the header `Quarterdeck-Outcome` says what happened."""
    body = await request.body()
    translate.check_manifest(body, kind, name)
    message = resources_pb2.ApplyObjectRequest(
        tenant=tenant,
        object_json=body,
        dry_run=query.dry_run,
        resource_version=query.resource_version,
        create_only=query.create_only,
    )
    applied = await upstream(request).call("RegistryService/ApplyObject", message)
    outcome = word(resources_pb2.ApplyObjectResponse.Outcome, applied.outcome, "OUTCOME_")
    status = 201 if applied.outcome == _CREATED and not query.dry_run else 200
    return raw(applied.object.object_json, status, {OUTCOME_HEADER: outcome})


async def create(request: Request, tenant: str, kind: str, query: ApplyQuery) -> Response:
    """Creates an object; one that exists is an error."""
    query.create_only = True
    return await apply(request, tenant, kind, None, query)


async def delete(request: Request, tenant: str, kind: str, name: str, version: str) -> Response:
    """Deletes an object and answers with what it was."""
    message = resources_pb2.DeleteObjectRequest(tenant=tenant, kind=kind, name=name, resource_version=version)
    return raw((await upstream(request).call("RegistryService/DeleteObject", message)).object_json)


async def revisions(request: Request, tenant: str, kind: str, name: str, page: tuple[int, str]) -> Response:
    """Answers with a page of an object's revisions, the newest first."""
    message = resources_pb2.ListRevisionsRequest(
        tenant=tenant, kind=kind, name=name, page_size=page[0], page_token=page[1]
    )
    found = await upstream(request).call("RegistryService/ListRevisions", message)
    items = [translate.revision(item) for item in found.revisions]
    return answer({"items": items, "continue": found.next_page_token or None})


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
