"""Memory: search, save, read, delete."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, call_id, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import memories as schemas
from quarterdeck.gateway.translate import memories as translate
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.v1 import memory_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/memories", tags=["memory"], route_class=StrictRoute)


@router.get("/{collection}", operation_id="getMemoryCollectionStats", response_model=schemas.CollectionStats)
async def stats(request: Request, tenant: Tenant, collection: str) -> Response:
    """How much a collection holds, and how it embeds."""
    message = memory_pb2.GetCollectionStatsRequest(tenant=tenant, collection=collection)
    return answer(translate.stats(await upstream(request).call("MemoryService/GetCollectionStats", message)))


@router.post("/{collection}/search", operation_id="searchMemory", response_model=schemas.FoundPage)
async def search(request: Request, tenant: Tenant, collection: str, body: schemas.SearchMemory) -> Response:
    """Finds the items that are nearest to a query."""
    message = memory_pb2.SearchMemoryRequest(
        tenant=tenant,
        collection=collection,
        query=body.query,
        limit=body.limit,
        filter_json=encoded(body.filter),
        min_score=body.min_score,
    )
    return answer(translate.found(await upstream(request).call("MemoryService/SearchMemory", message)))


@router.post("/{collection}", operation_id="saveMemory", response_model=schemas.Saved)
async def save(request: Request, tenant: Tenant, collection: str, body: schemas.SaveMemory) -> Response:
    """Inserts or replaces items by id."""
    prefix = call_id(request, tenant, collection)
    items = [
        memory_pb2.MemoryItem(
            id=item.id or (f"{prefix}-{index}" if prefix else ""),
            text=item.text,
            payload_json=encoded(item.payload),
            expires_at=item.expires_at,
        )
        for index, item in enumerate(body.items)
    ]
    message = memory_pb2.SaveMemoryRequest(tenant=tenant, collection=collection, items=items)
    saved = await upstream(request).call("MemoryService/SaveMemory", message)
    return answer({"ids": list(saved.ids)})


@router.get("/{collection}/{id}", operation_id="getMemory", response_model=schemas.MemoryItem)
async def get(request: Request, tenant: Tenant, collection: str, id: str) -> Response:
    """Reads an item."""
    message = memory_pb2.GetMemoryRequest(tenant=tenant, collection=collection, id=id)
    return answer(translate.item(await upstream(request).call("MemoryService/GetMemory", message)))


@router.delete("/{collection}/{id}", operation_id="deleteMemory", response_model=schemas.Deleted)
async def delete(request: Request, tenant: Tenant, collection: str, id: str) -> Response:
    """Deletes an item, if it is there."""
    message = memory_pb2.DeleteMemoryRequest(tenant=tenant, collection=collection, ids=[id])
    deleted = await upstream(request).call("MemoryService/DeleteMemory", message)
    return answer({"deleted": deleted.deleted})
