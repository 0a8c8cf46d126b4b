"""What the memory service's tests share: engines, and the service without its network."""

from __future__ import annotations

import os
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
from quarterdeck.memory.engine.interface import CollectionKey, VectorEngine
from quarterdeck.memory.items import Items
from quarterdeck.memory.reconcile import Wanted, plan
from quarterdeck.memory.search import Search

# A Qdrant server for the tests, and its key.
SERVER_URL = os.environ.get("QD_TEST_QDRANT_URL", "")
SERVER_KEY = os.environ.get("QD_TEST_QDRANT_KEY", "")

# "qdrant-client" is the server's adapter over the stand-in that Qdrant's own client carries: the same
# requests, carried out in this process. "qdrant-server" is the real thing, where there is one.
ENGINES = ["edge", "qdrant-client", *(["qdrant-server"] if SERVER_URL else [])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what could not be verified here."""
    if not SERVER_URL:
        terminalreporter.write_line(
            "not verified here: the vector engine on a Qdrant server (QD_TEST_QDRANT_URL is not set)"
        )


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


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorEngine]:
    """Each vector engine in turn, empty."""
    if request.param == "edge":
        embedded = EdgeEngine(tmp_path / "vectors")
        await embedded.open()
        yield embedded
        await embedded.close()
        return
    from qdrant_client import AsyncQdrantClient

    from quarterdeck.memory.engine.qdrant import keyword_model
    from quarterdeck.memory.engine.server.client import QdrantEngine

    real = request.param == "qdrant-server"
    client = (
        AsyncQdrantClient(url=SERVER_URL, api_key=SERVER_KEY or None)
        if real
        else AsyncQdrantClient(":memory:")
    )
    prefix = f"qdtest-{uuid.uuid4().hex}"
    served = QdrantEngine(client, keyword_model(), prefix)
    yield served
    for collection in (await client.get_collections()).collections:
        if collection.name.startswith(prefix):
            await client.delete_collection(collection.name)
    await served.close()


@pytest.fixture
async def house(engine: VectorEngine, tmp_path: Path) -> AsyncIterator[House]:
    database = await open_database(f"sqlite:///{tmp_path / 'memory.db'}", store.metadata)
    shared = open_cache("memory://")
    cache, clock, metrics = FirstLevelCache(shared), SteppedClock(), CollectorRegistry()
    embedding = CachedEmbedding(cache)
    catalog = Catalog(database, engine, {})
    search = Search(catalog, embedding, QueryCache(cache, metrics), clock)
    yield House(catalog, Items(catalog, embedding, clock), search, clock, metrics, database)
    await database.close()
    await shared.close()
