"""Items of memory collections."""

from __future__ import annotations

from typing import Any

from quarterdeck.gateway.translate.values import embedded
from quarterdeck.v1 import memory_pb2


def item(message: memory_pb2.MemoryItem) -> dict[str, Any]:
    """Returns an item's JSON."""
    return {
        "id": message.id,
        "text": message.text,
        "payload": embedded(message.payload_json),
        "expiresAt": message.expires_at or None,
        "createdAt": message.created_at or None,
    }


def found(answer: memory_pb2.SearchMemoryResponse) -> dict[str, Any]:
    """Returns what a search found, the best first, each with its score and how near it is."""
    items = [{**item(message), **_nearness(message)} for message in answer.items]
    return {"items": items, "continue": None, "cached": answer.cached}


def _nearness(message: memory_pb2.MemoryItem) -> dict[str, float | None]:
    similarity = message.similarity if message.HasField("similarity") else None
    return {"score": message.score, "similarity": similarity}


def stats(message: memory_pb2.CollectionStats) -> dict[str, Any]:
    """Returns a collection's figures."""
    return {
        "collection": message.collection,
        "items": message.items,
        "embedding": message.embedding or None,
        "dimension": message.dimension,
        "generation": message.generation,
    }
