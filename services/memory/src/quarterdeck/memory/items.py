"""Saving, reading and deleting items of a collection."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock, parse_rfc3339
from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.common.ids import uuid7
from quarterdeck.memory import store
from quarterdeck.memory.catalog import Catalog, OpenCollection
from quarterdeck.memory.constants import (
    MAX_ID_CHARACTERS,
    MAX_IDS_PER_DELETE,
    MAX_ITEMS_PER_SAVE,
    MAX_PAYLOAD_BYTES,
    MAX_TEXT_CHARACTERS,
    SWEEP_PAGE,
)
from quarterdeck.memory.embedding.cache import CachedEmbedding
from quarterdeck.memory.engine.conditions import All
from quarterdeck.memory.engine.interface import CollectionKey, Point
from quarterdeck.memory.filters import parse_filter
from quarterdeck.memory.lifetime import is_expired
from quarterdeck.memory.payload import Times, Violation, check_payload, document

# Namespace of item ids (RFC 4122, version 5): the same id in two tenants is two points.
ITEMS = uuid.UUID("5f0c3f2e-7f0b-5d0e-9a53-0f6f2c1e4b7d")
VIOLATIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to save, as it was sent. An empty id is given one."""

    id: str
    text: str
    payload: Any = field(default_factory=dict)
    expires_at: str = ""


class Items:
    """The items of all collections."""

    def __init__(self, catalog: Catalog, embedding: CachedEmbedding, clock: Clock) -> None:
        self._catalog = catalog
        self._embedding = embedding
        self._clock = clock

    async def save(self, tenant_id: str, name: str, items: Sequence[NewItem]) -> list[str]:
        """Inserts or replaces items and returns their ids; durable when this returns.

        Raises:
            InvalidArgument: with the path of every item's field that is wrong.
            NotFound, FailedPrecondition, Unavailable: the collection, its model or the engine.
        """
        collection = await self._catalog.find(tenant_id, name)
        _check(items, collection)
        saved = self._clock.now()
        ids = [item.id or uuid7() for item in items]
        vectors = await self._embedding.embed(tenant_id, collection.provider, [item.text for item in items])
        points = [
            Point(point_id(collection.key, item_id), vector, _document(item_id, item, collection, saved))
            for item_id, item, vector in zip(ids, items, vectors, strict=True)
        ]
        await self._catalog.engine.upsert(collection.key, points)
        await self._catalog.database.write(store.changed, tenant_id, name)
        return ids

    async def get(self, tenant_id: str, name: str, item_id: str) -> dict[str, Any]:
        """Returns an item's stored document. Raises NotFound, also for one that has expired."""
        collection = await self._catalog.find(tenant_id, name)
        found = await self._catalog.engine.get(collection.key, [point_id(collection.key, item_id)])
        if not found or is_expired(found[0].payload, collection.spec.ttl, self._clock.now()):
            raise NotFound(f"collection {name!r} has no item {item_id!r}", field="id")
        return found[0].payload

    async def delete(self, tenant_id: str, name: str, ids: Sequence[str], filter_form: Any) -> int:
        """Deletes by ids or by filter, and returns how many there were.

        Raises:
            InvalidArgument: neither or both are given, or the filter is wrong or empty.
        """
        collection = await self._catalog.find(tenant_id, name)
        if bool(ids) == (filter_form is not None):
            raise InvalidArgument("give either ids or a filter", field="ids")
        if len(ids) > MAX_IDS_PER_DELETE:
            raise InvalidArgument(f"{len(ids)} ids; at most {MAX_IDS_PER_DELETE} at once", field="ids")
        if ids:
            points = [point_id(collection.key, item_id) for item_id in dict.fromkeys(ids)]
            deleted = await self._catalog.engine.delete(collection.key, points)
        else:
            deleted = await self._delete_where(collection, filter_form)
        if deleted:
            await self._catalog.database.write(store.changed, tenant_id, name)
        return deleted

    async def _delete_where(self, collection: OpenCollection, filter_form: Any) -> int:
        condition = parse_filter(filter_form, collection.spec.payload)
        if condition == All(()):
            raise InvalidArgument(
                "an empty filter would delete everything",
                field="filter",
                hint="delete the MemoryCollection if that is meant",
            )
        engine, deleted = self._catalog.engine, 0
        page = await engine.scroll(collection.key, condition, SWEEP_PAGE)
        while page.points:
            deleted += await engine.delete(collection.key, [point.id for point in page.points])
            if page.after is None:
                break
            page = await engine.scroll(collection.key, condition, SWEEP_PAGE, page.after)
        return deleted


def point_id(key: CollectionKey, item_id: str) -> str:
    """Returns the engine's id of an item: always the same one, another in every collection and tenant."""
    return str(uuid.uuid5(ITEMS, f"{key.tenant_id}/{key.name}/{item_id}"))


def _document(item_id: str, item: NewItem, collection: OpenCollection, saved: float) -> dict[str, Any]:
    expires = parse_rfc3339(item.expires_at) if item.expires_at else None
    return document(item_id, item.text, item.payload or {}, collection.spec.payload, Times(saved, expires))


def _check(items: Sequence[NewItem], collection: OpenCollection) -> None:
    if not items:
        raise InvalidArgument("there is nothing to save", field="items")
    if len(items) > MAX_ITEMS_PER_SAVE:
        raise InvalidArgument(f"{len(items)} items; at most {MAX_ITEMS_PER_SAVE} at once", field="items")
    violations: list[Violation] = []
    seen: set[str] = set()
    for position, item in enumerate(items):
        violations += _problems(item, collection, f"items[{position}]")
        if item.id and item.id in seen:
            violations.append((f"items[{position}].id", f"{item.id!r} is given twice"))
        seen.add(item.id)
    if violations:
        path, message = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        raise InvalidArgument(f"{path} {message}{more}", field=path, violations=violations[:VIOLATIONS_SHOWN])


def _problems(item: NewItem, collection: OpenCollection, path: str) -> list[Violation]:
    problems: list[Violation] = []
    if not item.text.strip():
        problems.append((f"{path}.text", "is empty"))
    if len(item.text) > MAX_TEXT_CHARACTERS:
        problems.append((f"{path}.text", f"is longer than {MAX_TEXT_CHARACTERS} characters"))
    if len(item.id) > MAX_ID_CHARACTERS:
        problems.append((f"{path}.id", f"is longer than {MAX_ID_CHARACTERS} characters"))
    if item.expires_at:
        try:
            parse_rfc3339(item.expires_at)
        except ValueError as error:
            problems.append((f"{path}.expires_at", f"is no RFC 3339 time: {error}"))
    payload = {} if item.payload is None else item.payload
    problems += check_payload(payload, collection.spec.payload, f"{path}.payload")
    if not problems and len(codec.dumps(payload)) > MAX_PAYLOAD_BYTES:
        problems.append((f"{path}.payload", f"is larger than {MAX_PAYLOAD_BYTES} bytes"))
    return problems
