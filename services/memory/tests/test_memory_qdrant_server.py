"""What the server's adapter says over HTTP, and what it makes of refusals.

`FakeQdrantServer` is a fake: it records requests and gives prepared answers. It shows what we send, not what
a server does with it; `test_memory_conformance` does that where QD_TEST_QDRANT_URL is set.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient

from quarterdeck.common.errors import Internal, NotFound, QuarterdeckError, Unavailable
from quarterdeck.memory.config import MemorySettings
from quarterdeck.memory.engine.choice import open_engine
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.conditions import Within
from quarterdeck.memory.engine.interface import CollectionKey, Point, SearchQuery, Shape
from quarterdeck.memory.engine.qdrant import keyword_model
from quarterdeck.memory.engine.server.client import QdrantEngine, slice_length
from quarterdeck.memory.engine.server.records import read_form, stored_form

KEY = CollectionKey("tenant", "invoices")
ID = "00000000-0000-0000-0000-000000000001"
OWNER = {"key": "c", "match": {"value": "tenant/invoices"}}
DOCUMENT = {"id": "1", "text": "a train ticket", "saved": 1.5, "p": {"n": 3, "who": "NS", "paid": True}}
DONE = {"operation_id": 1, "status": "completed"}


class FakeQdrantServer:
    """Records requests; answers as a server of one version that has every collection."""

    def __init__(self) -> None:
        self.version = "1.19.1"
        self.refusal: httpx.Response | None = None
        self.indexed: list[str] = []
        self.collections = {"t_2_cosine", "t_directory"}
        self.entry: dict[str, Any] | None = {"size": 2, "distance": "cosine"}
        self.requests: list[tuple[str, str, Any]] = []
        self.keys: set[str | None] = set()

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.keys.add(request.headers.get("api-key"))
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        if self.refusal is not None:
            return self.refusal
        if request.url.path == "/":
            return httpx.Response(200, json={"title": "fake", "version": self.version})
        answer = {"result": self._result(request.method, request.url.path), "status": "ok", "time": 0.0}
        return httpx.Response(200, json=answer)

    def _result(self, method: str, path: str) -> Any:
        _, _, collection, *rest = path.split("/")
        match method, rest:
            case "GET", ["exists"]:
                return {"exists": collection in self.collections}
            case "GET", []:
                return self._collection()
            case "PUT", []:
                self.collections.add(collection)
                return True
            case "POST", ["points"]:
                return [{"id": ID, "payload": self.entry}] if self.entry else []
            case "POST", ["points", "query", "batch"]:
                hit = {"id": ID, "version": 1, "score": 0.5, "payload": {"id": ID, "d": DOCUMENT}}
                return [{"points": [hit]}] * len(self.body("query/batch")["searches"])
            case "POST", ["points", "count"]:
                return {"count": 1}
        return DONE

    def _collection(self) -> dict[str, Any]:
        parts = {
            "params": {},
            "hnsw_config": {"m": 0, "ef_construct": 1, "full_scan_threshold": 1},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
        }
        known = {path: {"data_type": "keyword", "points": 0} for path in self.indexed}
        facts = {"status": "green", "optimizer_status": "ok", "segments_count": 1}
        return {**facts, "config": parts, "payload_schema": known}

    def body(self, ending: str) -> Any:
        """Returns the last body sent to a path that ends so."""
        return next(body for _, path, body in reversed(self.requests) if body and path.endswith(ending))

    def indexes(self) -> dict[str, Any]:
        """Returns what was asked to be indexed."""
        bodies = [body for method, path, body in self.requests if (method, path[-6:]) == ("PUT", "/index")]
        return {body["field_name"]: body["field_schema"] for body in bodies}


@pytest.fixture
def fake_qdrant_server() -> FakeQdrantServer:
    return FakeQdrantServer()


@pytest.fixture
async def served(fake_qdrant_server: FakeQdrantServer) -> AsyncIterator[QdrantEngine]:
    client = AsyncQdrantClient(
        url="https://qdrant.test",
        api_key="secret",
        check_compatibility=False,
        transport=httpx.MockTransport(fake_qdrant_server.handle),
    )
    engine = QdrantEngine(client, keyword_model(), "t")
    yield engine
    await engine.close()


async def test_a_new_collection_has_a_tenant_index_and_one_of_each_type(
    served: QdrantEngine, fake_qdrant_server: FakeQdrantServer
) -> None:
    fake_qdrant_server.collections, fake_qdrant_server.entry = set(), None
    await served.ensure(KEY, Shape(2, {"p.n": "integer", "p.who": "keyword", "p.note": "text"}))
    made = fake_qdrant_server.body("collections/t_2_cosine")
    assert made["vectors"] == {"dense": {"size": 2, "distance": "Cosine"}}
    assert made["sparse_vectors"] == {"sparse": {"modifier": "idf"}}
    assert (made["hnsw_config"]["m"], made["hnsw_config"]["payload_m"]) == (0, 16)
    indexes = fake_qdrant_server.indexes()
    assert indexes["t.p.note"]["tokenizer"] == "word"
    assert {path: schema for path, schema in indexes.items() if path != "t.p.note"} == {
        "c": {"type": "keyword", "is_tenant": True},
        "w.p.n": "integer",
        "n.p.n": "float",
        "s.p.who": "keyword",
    }
    noted = fake_qdrant_server.body("t_directory/points")["points"][0]["payload"]
    assert noted == {"c": "tenant/invoices", "size": 2, "distance": "cosine"}
    assert fake_qdrant_server.keys == {"secret"}


async def test_only_indexes_that_lack_are_asked_for(
    served: QdrantEngine, fake_qdrant_server: FakeQdrantServer
) -> None:
    fake_qdrant_server.indexed = ["c", "s.p.who"]
    await served.ensure(KEY, Shape(2, {"p.who": "keyword", "p.x": "float"}))
    assert fake_qdrant_server.indexes() == {"n.p.x": "float"}
    assert not [
        path for method, path, _ in fake_qdrant_server.requests if (method, path[-7:]) == ("PUT", "_cosine")
    ]


async def test_both_rankings_are_one_request_about_one_owner(
    served: QdrantEngine, fake_qdrant_server: FakeQdrantServer
) -> None:
    query = SearchQuery(array("f", [1.0, 0.0]), "ticket", 5, Within("p.n", gte=1.0))
    answer = await served.search(KEY, query)
    dense, sparse = fake_qdrant_server.body("query/batch")["searches"]
    narrowed = {"must": [OWNER, {"must": [{"key": "n.p.n", "range": {"gte": 1.0}}]}]}
    for one, using in ((dense, "dense"), (sparse, "sparse")):
        assert (one["using"], one["limit"], one["filter"]) == (using, 5, narrowed)
        assert one["with_payload"] == {"include": ["id", "d"]}
    assert sparse["params"]["idf"] == {"corpus": {"must": [OWNER]}}
    assert answer.payloads == {ID: DOCUMENT}


async def test_every_request_about_points_names_their_owner(
    served: QdrantEngine, fake_qdrant_server: FakeQdrantServer
) -> None:
    assert await served.count(KEY) == 1
    assert fake_qdrant_server.body("points/count")["filter"] == {"must": [OWNER]}
    await served.drop(KEY)
    deleted = [body for _, path, body in fake_qdrant_server.requests if path.endswith("points/delete")]
    assert deleted[0] == {"filter": {"must": [OWNER]}}
    assert len(deleted[1]["points"]) == 1


async def test_writes_are_cut_into_slices(served: QdrantEngine, fake_qdrant_server: FakeQdrantServer) -> None:
    size = 16 * 1536
    assert slice_length(size) == 2
    fake_qdrant_server.entry = {"size": size, "distance": "cosine"}
    one = Point(ID, array("f", [1.0]) * size, DOCUMENT)
    await served.upsert(KEY, [one] * 3)
    written = [body for _, path, body in fake_qdrant_server.requests if path.endswith("_cosine/points")]
    assert [len(body["points"]) for body in written] == [2, 1]


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Unavailable, "QD_MEMORY_VECTORS_KEY"),
        (403, Unavailable, "QD_MEMORY_VECTORS_KEY"),
        (404, NotFound, "lost"),
        (422, Internal, "does not take"),
        (429, Unavailable, "too much"),
        (500, Unavailable, "failed"),
        (503, Unavailable, "failed"),
    ],
)
async def test_a_refusal_is_a_clear_error(
    served: QdrantEngine,
    fake_qdrant_server: FakeQdrantServer,
    status: int,
    kind: type[QuarterdeckError],
    words: str,
) -> None:
    assert await served.count(KEY) == 1
    fake_qdrant_server.refusal = httpx.Response(
        status, json={"status": {"error": "no"}}, headers={"Retry-After": "2"}
    )
    with pytest.raises(kind) as caught:
        await served.count(KEY)
    assert words in caught.value.message + caught.value.hint
    assert "secret" not in caught.value.message
    fake_qdrant_server.refusal = None
    assert await served.count(KEY) == 1


async def test_a_server_that_is_too_old_is_refused(
    served: QdrantEngine, fake_qdrant_server: FakeQdrantServer
) -> None:
    fake_qdrant_server.version = "1.18.3-dev"
    with pytest.raises(Unavailable, match=r"1\.18\.3-dev; at least 1\.19"):
        await served.ensure(KEY, Shape(2))
    fake_qdrant_server.version = "1.20.0"
    await served.ensure(KEY, Shape(2))


async def test_the_url_chooses_the_engine(tmp_path: Path, unused_tcp_port: int) -> None:
    away = MemorySettings(vectors_url=f"http://127.0.0.1:{unused_tcp_port}")
    engine = await open_engine(away, tmp_path)
    assert isinstance(engine, QdrantEngine)
    with pytest.raises(Unavailable) as caught:
        await engine.check()
    assert "QD_MEMORY_VECTORS_URL" in caught.value.hint
    await engine.close()
    embedded = await open_engine(MemorySettings(vectors_url=f"file://{tmp_path}/v"), tmp_path)
    assert isinstance(embedded, EdgeEngine)
    await embedded.close()
    with pytest.raises(ValueError, match="no adapter"):
        await open_engine(MemorySettings(vectors_url="ftp://x"), tmp_path)


def test_a_document_is_copied_by_type_and_read_back_as_it_was() -> None:
    stored = stored_form(KEY, ID, DOCUMENT)
    assert stored["s"] == stored["t"] == {"id": "1", "p": {"who": "NS"}}
    assert stored["w"] == {"p": {"n": 3}}
    assert stored["n"] == {"saved": 1.5, "p": {"n": 3}}
    assert read_form(stored).payload == DOCUMENT
    assert "text" not in stored["t"]
