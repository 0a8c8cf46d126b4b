"""Hybrid search: embed, ask the engine for two rankings, fuse them; answers are cached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.memory.cache import Asked, QueryCache
from quarterdeck.memory.catalog import Catalog, OpenCollection
from quarterdeck.memory.constants import DEFAULT_LIMIT, MAX_LIMIT, MAX_QUERY_CHARACTERS, QUERY_TTL
from quarterdeck.memory.embedding.cache import CachedEmbedding
from quarterdeck.memory.engine.conditions import Condition
from quarterdeck.memory.engine.interface import SearchQuery
from quarterdeck.memory.filters import parse_filter
from quarterdeck.memory.fusion import fuse
from quarterdeck.memory.lifetime import alive, expiry

# Each ranking is asked for more than is wanted, so that what is good in both can rise.
CANDIDATES_LEAST = 64
CANDIDATES_FACTOR = 2
# What is kept of a hit; a part of the name in the cache, so that another version's answers are not misread.
KEPT_FIELDS = "document, score, similarity"


@dataclass(frozen=True, slots=True)
class Question:
    """A search as it was sent.

    Args:
        query: text to search for.
        limit: at most so many; 0: ten.
        filter: JSON of a filter, None for none.
        min_score: leaves out what scores lower.
    """

    query: str
    limit: int = 0
    filter: Any = None
    min_score: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored document and its score, higher is better.

    Args:
        similarity: how near it is in the collection's own measure; None for what its words alone found.
    """

    document: dict[str, Any]
    score: float
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a question, best first; equal scores are in a fixed order."""

    hits: list[Hit]
    cached: bool


class Search:
    """Answers questions about all collections."""

    def __init__(self, catalog: Catalog, embedding: CachedEmbedding, cache: QueryCache, clock: Clock) -> None:
        self._catalog = catalog
        self._embedding = embedding
        self._cache = cache
        self._clock = clock

    async def find(self, tenant_id: str, name: str, question: Question) -> Found:
        """Answers.

        Raises:
            InvalidArgument: the question is wrong; `field` says where.
            NotFound, FailedPrecondition, Unavailable: the collection, its model or the engine.
        """
        # The generation is read before the search: an answer is never kept under a newer one.
        collection = await self._catalog.find(tenant_id, name)
        limit = _limit(question)
        condition = None
        if question.filter is not None:
            condition = parse_filter(question.filter, collection.spec.payload)
        record = collection.record
        parts = [question.query, limit, question.filter, question.min_score, KEPT_FIELDS]
        asked = Asked(tenant_id, name, record.uid, record.generation, parts)
        kept = await self._cache.get(asked)
        if kept is not None:
            return Found([Hit(*fields) for fields in kept], cached=True)
        hits = await self._search(collection, question, limit, condition)
        answer = [[hit.document, hit.score, hit.similarity] for hit in hits]
        await self._cache.set(asked, answer, self._fresh_seconds(hits, collection.spec.ttl))
        return Found(hits, cached=False)

    async def _search(
        self, collection: OpenCollection, question: Question, limit: int, condition: Condition | None
    ) -> list[Hit]:
        weights = collection.spec.weights
        vector = None
        if weights.dense:
            embedded = await self._embedding.embed(
                collection.record.tenant_id, collection.provider, [question.query]
            )
            vector = embedded[0]
        query = SearchQuery(
            vector,
            question.query if weights.sparse else "",
            max(CANDIDATES_LEAST, limit * CANDIDATES_FACTOR),
            alive(condition, collection.spec.ttl, self._clock.now()),
        )
        answer = await self._catalog.engine.search(collection.key, query)
        ranked = fuse(answer.dense, answer.sparse, weights)
        good = [entry for entry in ranked if not question.min_score or entry.score >= question.min_score]
        near = {entry.id: entry.score for entry in answer.dense}
        return [Hit(answer.payloads[entry.id], entry.score, near.get(entry.id)) for entry in good[:limit]]

    def _fresh_seconds(self, hits: list[Hit], ttl: float | None) -> float:
        """Returns how long an answer may be given again: until its first item is gone."""
        ends = [expiry(hit.document, ttl) for hit in hits]
        return min([QUERY_TTL, *(end - self._clock.now() for end in ends if end is not None)])


def _limit(question: Question) -> int:
    if not question.query.strip():
        raise InvalidArgument("the query is empty", field="query")
    if len(question.query) > MAX_QUERY_CHARACTERS:
        raise InvalidArgument(f"the query is longer than {MAX_QUERY_CHARACTERS} characters", field="query")
    if not 0 <= question.limit <= MAX_LIMIT:
        raise InvalidArgument(f"limit must be from 1 to {MAX_LIMIT}", field="limit")
    return question.limit or DEFAULT_LIMIT
