"""`VectorEngine` over a Qdrant server: shared collections, one tenant index, keyword statistics per owner.

The keyword vectors are made here, by the embedded engine's own model, so both engines rank alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdrant_client import AsyncQdrantClient, models

from quarterdeck.common.errors import Unavailable
from quarterdeck.memory.engine.conditions import Condition
from quarterdeck.memory.engine.failures import mismatch, missing
from quarterdeck.memory.engine.interface import (
    TEXT_FIELD,
    CollectionKey,
    Page,
    Point,
    Ranked,
    SearchAnswer,
    SearchQuery,
    Shape,
    Stored,
)
from quarterdeck.memory.engine.server.failures import explained
from quarterdeck.memory.engine.server.filters import owned_by
from quarterdeck.memory.engine.server.layout import DENSE, SPARSE, Description, Layout
from quarterdeck.memory.engine.server.records import READ_FIELDS, read_form, server_id, stored_form

if TYPE_CHECKING:
    import qdrant_edge

# The first server that counts words per owner; an older one would rank by other tenants' words.
OLDEST_SERVER = (1, 19)

# Numbers in one write: bounds how long the event loop makes JSON of them.
SLICE_NUMBERS = 32 * 1536
SLICE_POINTS_MOST = 256

READ = models.PayloadSelectorInclude(include=READ_FIELDS)


class QdrantEngine:
    """Collections on one server or cluster. Nothing is asked of it before the first call.

    Args:
        client: closed by `close`.
        keywords: the model of keyword vectors.
        prefix: of the names of all Qdrant collections.
    """

    def __init__(self, client: AsyncQdrantClient, keywords: qdrant_edge.Bm25, prefix: str) -> None:
        self._client = client
        self._keywords = keywords
        self._layout = Layout(client, prefix)
        self._known: dict[CollectionKey, Description] = {}

    async def ensure(self, key: CollectionKey, shape: Shape) -> None:
        """See `VectorEngine.ensure`."""
        await self.check()
        with explained():
            known = await self._layout.find(key)
            if known and (known.size, known.distance) != (shape.size, shape.distance):
                raise mismatch(key, f"size {known.size}, compared by {known.distance}")
            await self._layout.make_home(shape)
            if known is None:
                await self._layout.note(key, shape)
        self._known[key] = known or Description(shape.size, shape.distance)

    async def upsert(self, key: CollectionKey, points: Sequence[Point]) -> None:
        """See `VectorEngine.upsert`."""
        home = await self._home(key)
        step = slice_length(len(points[0].vector)) if points else 1
        for start in range(0, len(points), step):
            rows = [self._row(key, point) for point in points[start : start + step]]
            with explained():
                await self._client.upsert(home, rows, wait=True)

    async def delete(self, key: CollectionKey, ids: Sequence[str]) -> int:
        """See `VectorEngine.delete`."""
        home = await self._home(key)
        wanted: list[models.ExtendedPointId] = [server_id(key, point_id) for point_id in ids]
        with explained():
            found = await self._client.retrieve(home, wanted, with_payload=False)
            present = models.PointIdsList(points=[record.id for record in found])
            if found:
                await self._client.delete(home, present, wait=True)
        return len(found)

    async def get(self, key: CollectionKey, ids: Sequence[str]) -> list[Stored]:
        """See `VectorEngine.get`."""
        home = await self._home(key)
        wanted = [server_id(key, point_id) for point_id in ids]
        with explained():
            found = await self._client.retrieve(home, wanted, with_payload=READ)
        return [read_form(record.payload) for record in found]

    async def search(self, key: CollectionKey, query: SearchQuery) -> SearchAnswer:
        """See `VectorEngine.search`."""
        home = await self._home(key)
        requests = self._requests(key, query)
        with explained():
            answers = await self._client.query_batch_points(home, list(requests.values())) if requests else []
        hits = dict(zip(requests, (answer.points for answer in answers), strict=True))
        nearer_is_less = self._known[key].distance == "euclid"
        dense = [_ranked(hit, -1 if nearer_is_less else 1) for hit in hits.get(DENSE, [])]
        sparse = [_ranked(hit, 1) for hit in hits.get(SPARSE, [])]
        stored = (read_form(hit.payload) for found in hits.values() for hit in found)
        return SearchAnswer(dense, sparse, {point.id: point.payload for point in stored})

    def _requests(self, key: CollectionKey, query: SearchQuery) -> dict[str, models.QueryRequest]:
        """Returns the request for each ranking that is asked for, by its vector's name."""
        requests: dict[str, models.QueryRequest] = {}
        where = owned_by(key, query.condition)
        if query.vector:
            requests[DENSE] = models.QueryRequest(
                query=query.vector.tolist(), using=DENSE, filter=where, limit=query.limit, with_payload=READ
            )
        words = self._keywords.embed_query(query.text) if query.text else None
        if words is not None and words.indices:
            sparse = models.SparseVector(indices=list(words.indices), values=list(words.values))
            own_words = models.SearchParams(idf=models.IdfCorpusParams(corpus=owned_by(key)))
            requests[SPARSE] = models.QueryRequest(
                query=sparse,
                using=SPARSE,
                filter=where,
                params=own_words,
                limit=query.limit,
                with_payload=READ,
            )
        return requests

    async def scroll(
        self, key: CollectionKey, condition: Condition | None, limit: int, after: str | None = None
    ) -> Page:
        """See `VectorEngine.scroll`."""
        home = await self._home(key)
        with explained():
            found, following = await self._client.scroll(
                home, scroll_filter=owned_by(key, condition), limit=limit, offset=after, with_payload=READ
            )
        points = [read_form(record.payload) for record in found]
        return Page(points, None if following is None else str(following))

    async def count(self, key: CollectionKey, condition: Condition | None = None) -> int:
        """See `VectorEngine.count`."""
        home = await self._home(key)
        with explained():
            return (await self._client.count(home, owned_by(key, condition), exact=True)).count

    async def drop(self, key: CollectionKey) -> None:
        """See `VectorEngine.drop`. The directory's entry goes last: until then it can be dropped again."""
        self._known.pop(key, None)
        with explained():
            known = await self._layout.find(key)
            if known is None:
                return
            everything = models.FilterSelector(filter=owned_by(key))
            await self._client.delete(self._layout.home(known), everything, wait=True)
            await self._layout.forget(key)

    async def check(self) -> None:
        """See `VectorEngine.check`. Also refuses a server that is too old."""
        with explained():
            version = (await self._client.info()).version
        numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
        if numbers < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise Unavailable(f"the Qdrant server is {version}; at least {oldest} is needed")

    async def close(self) -> None:
        """See `VectorEngine.close`."""
        await self._client.close()

    async def _home(self, key: CollectionKey) -> str:
        """Returns the Qdrant collection that holds this one. Raises NotFound."""
        known = self._known.get(key)
        if known is None:
            with explained():
                known = await self._layout.find(key)
            if known is None:
                raise missing(key)
            self._known[key] = known
        return self._layout.home(known)

    def _row(self, key: CollectionKey, point: Point) -> models.PointStruct:
        words = self._keywords.embed_document(point.payload[TEXT_FIELD])
        sparse = models.SparseVector(indices=list(words.indices), values=list(words.values))
        vectors: dict[str, models.Vector] = {DENSE: point.vector.tolist(), SPARSE: sparse}
        payload = stored_form(key, point.id, point.payload)
        return models.PointStruct(id=server_id(key, point.id), vector=vectors, payload=payload)


def slice_length(size: int) -> int:
    """Returns how many points with vectors of `size` numbers one write holds."""
    return max(1, min(SLICE_POINTS_MOST, SLICE_NUMBERS // size))


def _ranked(hit: models.ScoredPoint, sign: int) -> Ranked:
    return Ranked(read_form(hit.payload).id, hit.score * sign)


async def connect(url: str, key: str, prefix: str, timeout: float) -> QdrantEngine:
    """Returns the engine on the server at a URL, which need not answer yet."""

    def make() -> QdrantEngine:
        from quarterdeck.memory.engine.qdrant import keyword_model

        client = AsyncQdrantClient(
            url=url, api_key=key or None, timeout=int(timeout), check_compatibility=False
        )
        return QdrantEngine(client, keyword_model(), prefix)

    return await asyncio.to_thread(make)
