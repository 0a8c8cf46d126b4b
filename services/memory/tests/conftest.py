"""What the memory service's tests share: engines, and the service without its network."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quarterdeck.common.cache import open_cache
from quarterdeck.common.database import Database, open_database
from quarterdeck.memory import store
from quarterdeck.memory.cache import FirstLevelCache, QueryCache
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.embedding.cache import CachedEmbedding
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.items import Items
from quarterdeck.memory.reconcile import Wanted, plan
from quarterdeck.memory.search import Search


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class House:
    """The service's parts without gRPC."""

    catalog: Catalog
    items: Items
    search: Search
    clock: SteppedClock
    metrics: CollectorRegistry
    database: Database

    async def collection(self, tenant_id: str, name: str, **spec: Any) -> None:
        """Does what the controller does for a new object."""
        wanted = Wanted(tenant_id, name, str(uuid.uuid4()), {"vector": {"size": 256}, **spec})
        await self.database.write(store.save, plan(wanted, None, 0, {}).record)

    def count(self, name: str, collection: str) -> float:
        """Returns a counter's value."""
        return self.metrics.get_sample_value(name, {"collection": collection}) or 0.0


@pytest.fixture
def key() -> CollectionKey:
    return CollectionKey(str(uuid.uuid4()), "things")


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[EdgeEngine]:
    engine = EdgeEngine(tmp_path / "vectors")
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture
async def house(edge: EdgeEngine, tmp_path: Path) -> AsyncIterator[House]:
    database = await open_database(f"sqlite:///{tmp_path / 'memory.db'}", store.metadata)
    shared = open_cache("memory://")
    cache, clock, metrics = FirstLevelCache(shared), SteppedClock(), CollectorRegistry()
    embedding = CachedEmbedding(cache)
    catalog = Catalog(database, edge, {})
    search = Search(catalog, embedding, QueryCache(cache, metrics), clock)
    yield House(catalog, Items(catalog, embedding, clock), search, clock, metrics, database)
    await database.close()
    await shared.close()
