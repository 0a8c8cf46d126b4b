"""What the service needs of a vector engine; the embedded one and a server's adapter implement it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from quarterdeck.memory.engine.conditions import Condition

# Where in a payload the text for keyword search is.
TEXT_FIELD = "text"

IndexType = Literal["keyword", "float", "integer", "text"]
Distance = Literal["cosine", "dot", "euclid"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)


@dataclass(frozen=True, slots=True)
class CollectionKey:
    """A collection: the tenant's immutable UUID and the collection's name."""

    tenant_id: str
    name: str

    def __post_init__(self) -> None:
        """Refuses what cannot be a directory's name."""
        for part in (self.tenant_id, self.name):
            if not part or "/" in part or part.startswith("."):
                raise ValueError(f"{part!r} cannot name a collection or a tenant")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a collection stores.

    Args:
        size: dimension of the dense vectors.
        indexes: payload path ("p.amount") to the index it gets.
        distance: how vectors are compared.
    """

    size: int
    indexes: Mapping[str, IndexType] = field(default_factory=dict)
    distance: Distance = "cosine"


@dataclass(frozen=True, slots=True)
class Point:
    """What is stored under one id.

    Args:
        id: a UUID in text form.
        vector: float32, as long as the shape says, not all zero.
        payload: JSON object, kept as it is; keyword search reads the text in its `text`.
    """

    id: str
    vector: array[float]
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A point as it is read back, without its vector."""

    id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranking's verdict on one point; a higher score is better, so a distance comes negated."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search for `limit` candidates in each of two rankings; the empty one is not asked for."""

    vector: array[float] | None
    text: str
    limit: int
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Both rankings, best first, and the payload of every id in either."""

    dense: list[Ranked]
    sparse: list[Ranked]
    payloads: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """Some points in the engine's own, lasting order; `after` continues behind them, None at the end."""

    points: list[Stored]
    after: str | None


class VectorEngine(Protocol):
    """Keeps points of many collections. What a write acknowledged survives the death of every process.

    Every method raises Unavailable when the engine cannot answer now, and FailedPrecondition
    with the reason "CorruptCollection" when a collection's files cannot be read.
    """

    async def ensure(self, key: CollectionKey, shape: Shape) -> None:
        """Creates the collection, or adds the indexes it lacks.

        Raises:
            FailedPrecondition: it exists with another dimension or distance ("DimensionMismatch").
        """

    async def upsert(self, key: CollectionKey, points: Sequence[Point]) -> None:
        """Inserts or replaces by id."""

    async def delete(self, key: CollectionKey, ids: Sequence[str]) -> int:
        """Deletes by id and returns how many of them existed."""

    async def get(self, key: CollectionKey, ids: Sequence[str]) -> list[Stored]:
        """Returns those of the ids that exist."""

    async def search(self, key: CollectionKey, query: SearchQuery) -> SearchAnswer:
        """Ranks by vector and by text."""

    async def scroll(
        self, key: CollectionKey, condition: Condition | None, limit: int, after: str | None = None
    ) -> Page:
        """Returns a page of the points that fit the condition."""

    async def count(self, key: CollectionKey, condition: Condition | None = None) -> int:
        """Counts the points that fit."""

    async def drop(self, key: CollectionKey) -> None:
        """Removes the collection and everything in it; none is no error."""

    async def check(self) -> None:
        """Raises Unavailable unless the engine answers."""

    async def close(self) -> None:
        """Ends; what was acknowledged stays."""
