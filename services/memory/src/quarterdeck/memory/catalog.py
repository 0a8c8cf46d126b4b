"""The collections that can be used now: records, their embedding providers, their engine side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.common.database import Database
from quarterdeck.common.errors import NotFound
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.memory import store
from quarterdeck.memory.embedding.provider import EmbeddingProvider
from quarterdeck.memory.embedding.providers import ProviderChoice, make_provider
from quarterdeck.memory.engine.interface import CollectionKey, Shape, VectorEngine
from quarterdeck.memory.payload import engine_indexes
from quarterdeck.memory.specification import CollectionSpec
from quarterdeck.memory.store import Collection


@dataclass(frozen=True, slots=True)
class OpenCollection:
    """A collection with what its use needs."""

    record: Collection
    spec: CollectionSpec
    provider: EmbeddingProvider

    @property
    def key(self) -> CollectionKey:
        """Its key in the engine."""
        return CollectionKey(self.record.tenant_id, self.record.name)


class Catalog:
    """Finds collections; the database is asked each time, so several replicas agree."""

    def __init__(
        self,
        database: Database,
        engine: VectorEngine,
        environment: Mapping[str, str] = os.environ,
        outbound: Outbound | None = None,
    ) -> None:
        self.database = database
        self.engine = engine
        self._environment = environment
        self._outbound = outbound
        self._providers: dict[ProviderChoice, EmbeddingProvider] = {}
        self._ensured: dict[CollectionKey, Shape] = {}

    async def find(self, tenant_id: str, name: str) -> OpenCollection:
        """Returns a collection that can be used. Raises NotFound, and what `ensure` raises."""
        record = await self.database.read(store.find, tenant_id, name) if name else None
        if record is None or record.deleted_at is not None:
            raise NotFound(
                f"there is no collection {name!r}",
                field="collection",
                hint="apply a MemoryCollection of that name, or see its status",
            )
        collection = self.open(record)
        await self.ensure(collection)
        return collection

    def open(self, record: Collection) -> OpenCollection:
        """Returns the record with its provider; touches nothing."""
        spec = record.spec
        return OpenCollection(record, spec, self._provider(record, spec))

    async def ensure(self, collection: OpenCollection) -> None:
        """Makes the engine hold the collection, once a process and shape. Raises what the engine raises."""
        record, spec = collection.record, collection.spec
        shape = Shape(record.size, engine_indexes(spec.payload), spec.distance)
        if self._ensured.get(collection.key) != shape:
            await self.engine.ensure(collection.key, shape)
            self._ensured[collection.key] = shape

    def is_open(self, key: CollectionKey) -> bool:
        """True if this process has used the collection, so that to ask its engine starts nothing."""
        return key in self._ensured

    async def drop(self, tenant_id: str, name: str) -> None:
        """Removes a collection's items for good; its record stays."""
        key = CollectionKey(tenant_id, name)
        self._ensured.pop(key, None)
        await self.engine.drop(key)

    def _provider(self, record: Collection, spec: CollectionSpec) -> EmbeddingProvider:
        wanted = spec.embedding
        choice = ProviderChoice(
            record.provider, record.model, record.size, wanted.key_variable, wanted.base_url
        )
        if choice not in self._providers:
            self._providers[choice] = make_provider(choice, self._environment, self._outbound)
        return self._providers[choice]
