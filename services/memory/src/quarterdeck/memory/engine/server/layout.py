"""Which Qdrant collections there are, and how they are made.

<prefix>_<size>_<distance>   the points of all our collections with such vectors
<prefix>_directory           one point for each of our collections, which says its shape
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TypeAlias

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from quarterdeck.memory.engine.interface import CollectionKey, Shape
from quarterdeck.memory.engine.server.records import (
    KEYWORDS,
    NUMBERS,
    OWNER,
    TEXTS,
    WHOLE,
    index_paths,
    owner,
)

DENSE, SPARSE = "dense", "sparse"

# Graph parameters: no graph over everything, which no search asks for, but one in each collection of ours.
SHARED_LINKS = 0
OWN_LINKS = 16
GRAPH_CANDIDATES = 100

CONFLICT = 409

_DIRECTORY = uuid.UUID("c0f2a0de-58a4-5c9e-9f39-2d9e9f1c6a52")
_DISTANCES = {
    "cosine": models.Distance.COSINE,
    "dot": models.Distance.DOT,
    "euclid": models.Distance.EUCLID,
}
_TENANT = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
_IndexSchema: TypeAlias = models.PayloadSchemaType | models.TextIndexParams | models.KeywordIndexParams
_INDEXES: dict[str, _IndexSchema] = {
    KEYWORDS: models.PayloadSchemaType.KEYWORD,
    WHOLE: models.PayloadSchemaType.INTEGER,
    NUMBERS: models.PayloadSchemaType.FLOAT,
    TEXTS: models.TextIndexParams(
        type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True
    ),
}


@dataclass(frozen=True, slots=True)
class Description:
    """The shape of one of our collections, as the directory has it."""

    size: int
    distance: str


class Layout:
    """Makes and finds collections on a server. Raises the client's own exceptions."""

    def __init__(self, client: AsyncQdrantClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._directory = f"{prefix}_directory"
        self._has_directory = False

    def home(self, shape: Shape | Description) -> str:
        """Returns the name of the Qdrant collection for vectors of that shape."""
        return f"{self._prefix}_{shape.size}_{shape.distance}"

    async def find(self, key: CollectionKey) -> Description | None:
        """Looks a collection up in the directory; None: it was never made, or was dropped."""
        self._has_directory = self._has_directory or await self._client.collection_exists(self._directory)
        if not self._has_directory:
            return None
        found = await self._client.retrieve(self._directory, [_entry(key)])
        payload = (found[0].payload or {}) if found else {}
        return Description(int(payload["size"]), str(payload["distance"])) if payload else None

    async def note(self, key: CollectionKey, shape: Shape) -> None:
        """Writes a collection into the directory."""
        await self._make(self._directory, models.VectorParams(size=1, distance=models.Distance.DOT), None)
        payload = {OWNER: owner(key), "size": shape.size, "distance": shape.distance}
        point = models.PointStruct(id=_entry(key), vector=[1.0], payload=payload)
        await self._client.upsert(self._directory, [point], wait=True)

    async def forget(self, key: CollectionKey) -> None:
        """Takes a collection out of the directory."""
        await self._client.delete(self._directory, models.PointIdsList(points=[_entry(key)]), wait=True)

    async def make_home(self, shape: Shape) -> None:
        """Makes the Qdrant collection for a shape and the indexes that it lacks."""
        name = self.home(shape)
        dense = models.VectorParams(size=shape.size, distance=_DISTANCES[shape.distance])
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
        await self._make(name, {DENSE: dense}, {SPARSE: sparse})
        present = (await self._client.get_collection(name)).payload_schema
        wanted: dict[str, _IndexSchema] = {OWNER: _TENANT}
        wanted |= {path: _INDEXES[group] for path, group in index_paths(shape.indexes).items()}
        for path, schema in wanted.items():
            if path not in present:
                await self._client.create_payload_index(name, path, schema, wait=True)

    async def _make(
        self,
        name: str,
        vectors: models.VectorParams | dict[str, models.VectorParams],
        sparse: dict[str, models.SparseVectorParams] | None,
    ) -> None:
        if await self._client.collection_exists(name):
            return
        graph = models.HnswConfigDiff(m=SHARED_LINKS, payload_m=OWN_LINKS, ef_construct=GRAPH_CANDIDATES)
        try:
            await self._client.create_collection(
                name, vectors_config=vectors, sparse_vectors_config=sparse, hnsw_config=graph
            )
        except UnexpectedResponse as error:
            # Another replica was first.
            if error.status_code != CONFLICT:
                raise


def _entry(key: CollectionKey) -> str:
    return str(uuid.uuid5(_DIRECTORY, owner(key)))
