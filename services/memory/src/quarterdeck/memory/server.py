"""The gRPC face of the service: translates, and calls what does the work."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.items import Items, NewItem
from quarterdeck.memory.search import Question, Search
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc


class MemoryServicer(memory_pb2_grpc.MemoryServiceServicer):
    """See `memory.proto`. Access was checked by the server's interceptor."""

    def __init__(self, tenants: TenantDirectory, catalog: Catalog, items: Items, search: Search) -> None:
        self._tenants = tenants
        self._catalog = catalog
        self._items = items
        self._search = search

    async def SearchMemory(
        self, request: memory_pb2.SearchMemoryRequest, context: Any
    ) -> memory_pb2.SearchMemoryResponse:
        """Searches."""
        tenant = await self._tenants.resolve(request.tenant)
        where = codec.loads_field(request.filter_json, "filter")
        question = Question(request.query, request.limit, where, request.min_score)
        found = await self._search.find(tenant.id, request.collection, question)
        items = [_item(hit.document, hit.score, hit.similarity) for hit in found.hits]
        return memory_pb2.SearchMemoryResponse(items=items, cached=found.cached)

    async def SaveMemory(
        self, request: memory_pb2.SaveMemoryRequest, context: Any
    ) -> memory_pb2.SaveMemoryResponse:
        """Inserts or replaces."""
        tenant = await self._tenants.resolve(request.tenant)
        items = [_new_item(item, position) for position, item in enumerate(request.items)]
        ids = await self._items.save(tenant.id, request.collection, items)
        return memory_pb2.SaveMemoryResponse(ids=ids)

    async def GetMemory(self, request: memory_pb2.GetMemoryRequest, context: Any) -> memory_pb2.MemoryItem:
        """Reads one item."""
        if not request.id:
            raise InvalidArgument("an id is required", field="id")
        tenant = await self._tenants.resolve(request.tenant)
        return _item(await self._items.get(tenant.id, request.collection, request.id))

    async def DeleteMemory(
        self, request: memory_pb2.DeleteMemoryRequest, context: Any
    ) -> memory_pb2.DeleteMemoryResponse:
        """Deletes by ids or filter."""
        tenant = await self._tenants.resolve(request.tenant)
        where = codec.loads_field(request.filter_json, "filter")
        deleted = await self._items.delete(tenant.id, request.collection, list(request.ids), where)
        return memory_pb2.DeleteMemoryResponse(deleted=deleted)

    async def GetCollectionStats(
        self, request: memory_pb2.GetCollectionStatsRequest, context: Any
    ) -> memory_pb2.CollectionStats:
        """Counts and says what the vectors are."""
        tenant = await self._tenants.resolve(request.tenant)
        collection = await self._catalog.find(tenant.id, request.collection)
        record = collection.record
        return memory_pb2.CollectionStats(
            collection=record.name,
            items=await self._catalog.engine.count(collection.key),
            embedding=f"{record.provider}/{record.model}",
            dimension=record.size,
            generation=record.generation,
        )


def _new_item(item: memory_pb2.MemoryItem, position: int) -> NewItem:
    payload = codec.loads_field(item.payload_json, f"items[{position}].payload")
    return NewItem(item.id, item.text, payload, item.expires_at)


def _item(
    document: dict[str, Any], score: float = 0.0, similarity: float | None = None
) -> memory_pb2.MemoryItem:
    return memory_pb2.MemoryItem(
        id=document["id"],
        text=document["text"],
        payload_json=codec.dumps(document["p"]),
        score=score,
        similarity=similarity,
        expires_at=rfc3339(document.get("exp")),
        created_at=rfc3339(document["saved"]),
    )
