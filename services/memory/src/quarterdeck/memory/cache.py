"""The first-level cache: what may be forgotten at any time, by region, and always by tenant.

A cache that does not answer is a cache that has nothing: it makes requests slower, not wrong.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from quarterdeck.common import codec
from quarterdeck.common.cache import Cache, key
from quarterdeck.memory.constants import (
    CACHE_HIT_METRIC,
    CACHE_MISS_METRIC,
    EMBEDDING_TTL,
    QUERY_TTL,
)


class Region(enum.Enum):
    """A part of the cache and how long it keeps things, in seconds."""

    EMBEDDING = ("embedding", EMBEDDING_TTL)
    QUERY = ("query", QUERY_TTL)

    @property
    def ttl(self) -> float:
        """Seconds."""
        return self.value[1]


class FirstLevelCache:
    """Reads and writes regions of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def get(self, region: Region, tenant_id: str, name: str) -> bytes | None:
        """Returns what is kept under the name, or None."""
        return (await self.get_many(region, tenant_id, [name]))[0]

    async def get_many(self, region: Region, tenant_id: str, names: list[str]) -> list[bytes | None]:
        """Returns what is kept under each name."""
        return await self._cache.get_many([_key(region, tenant_id, name) for name in names])

    async def set(
        self, region: Region, tenant_id: str, name: str, value: bytes, ttl: float | None = None
    ) -> None:
        """Keeps a value for the region's time, or less."""
        keep = region.ttl if ttl is None else min(ttl, region.ttl)
        if keep > 0:
            await self._cache.set(_key(region, tenant_id, name), value, keep)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is kept under.

    Args:
        collection: the collection's name.
        uid: what tells it from an earlier collection of that name.
        generation: of the collection when it was asked.
        question: JSON of everything that the answer depends on besides.
    """

    tenant_id: str
    collection: str
    uid: str
    generation: int
    question: Any

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.collection}@{self.uid}:{self.generation}:{codec.digest(self.question)}"


class QueryCache:
    """Answers of searches, until the collection changes.

    The collection's generation is part of every name, so a write needs to delete nothing: it
    raises the generation, and what was kept before is never asked for again.
    """

    def __init__(self, cache: FirstLevelCache, registry: CollectorRegistry) -> None:
        self._cache = cache
        self._hits = Counter(
            CACHE_HIT_METRIC, "Searches answered from the cache.", ["collection"], registry=registry
        )
        self._misses = Counter(
            CACHE_MISS_METRIC, "Searches that had to ask the engine.", ["collection"], registry=registry
        )

    def know(self, collection: str) -> None:
        """Makes both counters show a collection before it is first asked: a rate needs a beginning."""
        self._hits.labels(collection)
        self._misses.labels(collection)

    async def get(self, asked: Asked) -> Any:
        """Returns the answer that was kept, or None; counts a hit or a miss."""
        kept = await self._cache.get(Region.QUERY, asked.tenant_id, asked.name)
        counter = self._misses if kept is None else self._hits
        counter.labels(asked.collection).inc()
        return None if kept is None else codec.loads(kept)

    async def set(self, asked: Asked, answer: Any, ttl: float) -> None:
        """Keeps an answer for `ttl` seconds, an hour at most."""
        await self._cache.set(Region.QUERY, asked.tenant_id, asked.name, codec.dumps(answer), ttl)


def _key(region: Region, tenant_id: str, name: str) -> str:
    return key(tenant_id, region.value[0], name)
