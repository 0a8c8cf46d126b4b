"""A memory that finds what is written down and keeps what is saved, behind the memory service's interface."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.runtime.testing.scripts import Script
from quarterdeck.v1 import memory_pb2

DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What a search of a collection finds, best first; `query`: text that the query must hold."""

    collection: str
    items: Sequence[Mapping[str, Any]]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """An item that was saved."""

    collection: str
    id: str
    text: str
    payload: Any


def accept_payload(_collection: str, _payload: Any) -> tuple[str, str]:
    """Finds nothing wrong with any payload."""
    return "", ""


@dataclass(slots=True)
class MemoryAnswers:
    """The part of `MemoryService` that the runtime uses. A search does not find what was saved.

    Args:
        collections: names of those that are there.
        check: (collection, payload) to (field, what is wrong), both empty if nothing is.
    """

    script: Script[Finding]
    collections: Collection[str]
    check: Callable[[str, Any], tuple[str, str]] = accept_payload
    saved: list[Saved] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def SearchMemory(self, request: memory_pb2.SearchMemoryRequest) -> memory_pb2.SearchMemoryResponse:
        """Finds what the script says; nothing if it says nothing."""
        self._require(request.collection)
        found = self.script.next(lambda f: f.collection == request.collection and f.query in request.query)
        items = [_item(item, place) for place, item in enumerate(found.items if found else ())]
        kept = [item for item in items if item.score >= request.min_score]
        return memory_pb2.SearchMemoryResponse(items=kept[: request.limit or DEFAULT_LIMIT])

    async def SaveMemory(self, request: memory_pb2.SaveMemoryRequest) -> memory_pb2.SaveMemoryResponse:
        """Keeps the items. Raises InvalidArgument for a payload that the collection would refuse."""
        self._require(request.collection)
        items = [(item, codec.loads(item.payload_json)) for item in request.items]
        for _, payload in items:
            where, problem = self.check(request.collection, payload)
            if problem:
                raise InvalidArgument(f"{where}: {problem}", field=where)
        self.saved += [Saved(request.collection, item.id, item.text, payload) for item, payload in items]
        return memory_pb2.SaveMemoryResponse(
            ids=[item.id or f"item-{i + 1}" for i, (item, _) in enumerate(items)]
        )

    async def DeleteMemory(self, request: memory_pb2.DeleteMemoryRequest) -> memory_pb2.DeleteMemoryResponse:
        """Deletes nothing, and says that all was there."""
        self._require(request.collection)
        return memory_pb2.DeleteMemoryResponse(deleted=len(request.ids))

    def _require(self, collection: str) -> None:
        if collection not in self.collections:
            self.problems.append(f"there is no MemoryCollection {collection!r} among the manifests")
            raise NotFound(self.problems[-1])


def _item(item: Mapping[str, Any], place: int) -> memory_pb2.MemoryItem:
    """Returns an item; without a score of its own it gets one that keeps the order."""
    return memory_pb2.MemoryItem(
        id=str(item.get("id") or f"found-{place + 1}"),
        text=str(item.get("text") or ""),
        payload_json=codec.dumps(item.get("payload") or {}),
        score=float(item.get("score", 1 / (place + 1))),
    )
