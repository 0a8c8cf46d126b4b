"""What can be done with declared resources, whatever their scope.

Objects travel as the bytes that the registry sent: nothing here decodes them but an apply,
which must name the kind and the name of its path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import (
    OUTCOME_HEADER,
)
from quarterdeck.gateway.routes.common import (
    Continue,
    LabelSelector,
    Limit,
    OrderBy,
    answer,
    last_event_id,
    raw,
    upstream,
)
from quarterdeck.gateway.streams import event_stream
from quarterdeck.gateway.translate import objects as translate
from quarterdeck.gateway.translate.values import word
from quarterdeck.v1 import resources_pb2

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
