"""Memory collections and their items."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example


class SearchMemory(Request):
    """What to look for."""

    model_config = example(
        {"query": "Miller office supplies 119.00", "limit": 5, "filter": {"matched": False}}
    )

    query: str
    limit: int = Field(default=10, ge=1, le=1000)
    filter: dict[str, Any] | None = Field(
        default=None, description='{"field": value | {"gte": n} | {"in": […]}, "and": […], "or": […]}'
    )
    min_score: float = 0


class NewItem(Request):
    """An item to save; one with the same id is replaced."""

    id: str = Field(default="", description="Empty: one is made.")
    text: str
    payload: dict[str, Any] | None = None
    expires_at: str = Field(default="", description="RFC 3339; empty: the collection's retention.")


class SaveMemory(Request):
    """Items to save."""

    model_config = example(
        {"items": [{"id": "inv-17", "text": "Miller, office supplies", "payload": {"amount": 119}}]}
    )

    items: list[NewItem] = Field(min_length=1, max_length=1000)


class MemoryItem(Answer):
    """An item."""

    id: str
    text: str
    payload: dict[str, Any] | None
    expires_at: str | None
    created_at: str | None


class FoundItem(MemoryItem):
    """An item that a search found."""

    score: float = Field(description="The order of the answer; of two mixed rankings: 1 is first in both.")
    similarity: float | None = Field(
        description="How near it is, such as cosine; null for what was found by its words alone."
    )


class FoundPage(Page[FoundItem]):
    """What a search found, the best first."""

    cached: bool


class Saved(Answer):
    """The ids of what was saved."""

    ids: list[str]


class Deleted(Answer):
    """How many items were deleted."""

    deleted: int


class CollectionStats(Answer):
    """A collection's figures."""

    collection: str
    items: int
    embedding: str | None
    dimension: int
    generation: int
