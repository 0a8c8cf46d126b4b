"""One open shard of Qdrant Edge: the operations of `VectorEngine` on one collection's files.

The engine holds the interpreter for as long as any of its calls lasts, so callers keep each
call short (see `quarterdeck.memory.engine.client`).
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import qdrant_edge as qdrant

from quarterdeck.memory.engine.conditions import Condition
from quarterdeck.memory.engine.interface import TEXT_FIELD
from quarterdeck.memory.engine.layout import (
    Description,
    read_description,
    remove_leftovers,
    sync_directory,
    write_description,
)
from quarterdeck.memory.engine.qdrant import (
    DENSE,
    SPARSE,
    index_parameters,
    keyword_model,
    shard_config,
    to_filter,
)

# Updates that may sit in the write-ahead log alone; replaying more would make a start slow.
UNFLUSHED_MOST = 2000


class ShapeMismatch(Exception):
    """The collection exists with vectors of another size."""


class Missing(Exception):
    """There is no such collection on disk."""


class Corrupt(Exception):
    """The files of a collection cannot be read."""


class Shard:
    """A collection that is open for reading and writing."""

    def __init__(self, directory: Path, description: Description, edge: qdrant.EdgeShard) -> None:
        self.directory = directory
        self.description = description
        self.edge = edge
        self.unflushed = 0
        # Set by the committer once the files are on disk, so that the flush itself is short.
        self.flush_due = False
        # Ids written since a rebuild began; None: no rebuild is under way.
        self.changed: dict[str, None] | None = None
        self.unindexed = max(0, edge.info().points_count - description.indexed)
        # Of all measures only a distance is better when it is smaller.
        self._sign = -1 if description.distance == "euclid" else 1
        self._keywords = keyword_model()

    @property
    def path(self) -> Path:
        """The directory of the data in use."""
        return self.directory / self.description.current

    def ensure(self, size: int, distance: str, indexes: dict[str, str]) -> None:
        """Checks the vectors' shape and adds payload indexes that lack or changed. Raises ShapeMismatch."""
        if (size, distance) != (self.description.size, self.description.distance):
            raise ShapeMismatch(f"size {self.description.size}, compared by {self.description.distance}")
        present = self.description.indexes
        missing = {path: kind for path, kind in indexes.items() if present.get(path) != kind}
        for path, kind in missing.items():
            if path in present:
                self.edge.update(qdrant.UpdateOperation.delete_field_index(path))
            self.edge.update(qdrant.UpdateOperation.create_field_index(path, index_parameters(kind)))
        if missing:
            self.flush()
            self.description = replace(self.description, indexes={**present, **missing})
            write_description(self.directory, self.description)

    def upsert(self, points: list[dict[str, Any]], vectors: list[array[float]]) -> None:
        """Inserts or replaces points; durable once the write-ahead log is synced."""
        rows = [
            qdrant.Point(
                point["id"],
                {DENSE: vector.tolist(), SPARSE: self._keywords.embed_document(point["payload"][TEXT_FIELD])},
                point["payload"],
            )
            for point, vector in zip(points, vectors, strict=True)
        ]
        self.edge.update(qdrant.UpdateOperation.upsert_points(rows))
        self._wrote([point["id"] for point in points])

    def delete(self, ids: list[str]) -> int:
        """Deletes points and returns how many there were."""
        found = [str(record.id) for record in self.edge.retrieve(list(ids), False, False)]
        if found:
            self.edge.update(qdrant.UpdateOperation.delete_points(list(found)))
            self._wrote(found)
        return len(found)

    def get(self, ids: list[str]) -> list[dict[str, Any]]:
        """Returns id and payload of those that exist."""
        return [_stored(record) for record in self.edge.retrieve(list(ids), True, False)]

    def search(
        self, vector: array[float] | None, text: str, limit: int, condition: Condition | None
    ) -> dict[str, Any]:
        """Returns both rankings as [id, score] lists, and the payloads of all their points."""
        dense = self._rank(vector.tolist(), DENSE, limit, condition) if vector else []
        words = self._keywords.embed_query(text) if text else None
        sparse = self._rank(words, SPARSE, limit, condition) if words is not None and words.indices else []
        return {
            "dense": [[str(hit.id), hit.score * self._sign] for hit in dense],
            "sparse": [[str(hit.id), hit.score] for hit in sparse],
            "payloads": {str(hit.id): hit.payload or {} for hit in (*dense, *sparse)},
        }

    def _rank(
        self, query: Any, using: str, limit: int, condition: Condition | None
    ) -> list[qdrant.ScoredPoint]:
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(query, using=using),
            filter=to_filter(condition) if condition is not None else None,
            with_payload=True,
        )
        return self.edge.query(request)

    def scroll(self, condition: Condition | None, limit: int, after: str | None) -> dict[str, Any]:
        """Returns a page in id order and where the next one begins."""
        where = to_filter(condition) if condition is not None else None
        request = qdrant.ScrollRequest(offset=after, limit=limit, filter=where, with_payload=True)
        records, following = self.edge.scroll(request)
        return {
            "points": [_stored(record) for record in records],
            "after": None if following is None else str(following),
        }

    def count(self, condition: Condition | None) -> int:
        """Counts the points that fit."""
        where = to_filter(condition) if condition is not None else None
        return self.edge.count(qdrant.CountRequest(exact=True, filter=where))

    def flush(self) -> None:
        """Writes everything to the segments and empties the write-ahead log."""
        self.edge.flush()
        self.unflushed, self.flush_due = 0, False

    def adopt(self) -> None:
        """Makes this copy the collection's current data, with the indexes that were added meanwhile."""
        latest = read_description(self.directory) or self.description
        self.ensure(latest.size, latest.distance, latest.indexes)
        self.flush()
        write_description(self.directory, self.description)

    def take_changed(
        self, changed: dict[str, None], limit: int
    ) -> tuple[list[dict[str, Any]], list[array[float]], list[str]]:
        """Takes up to `limit` of the changed ids: points, their vectors, and ids that are gone."""
        ids = list(changed)[:limit]
        for point_id in ids:
            del changed[point_id]
        records = self.edge.retrieve(list(ids), True, True) if ids else []
        points: list[dict[str, Any]] = []
        vectors: list[array[float]] = []
        for record in records:
            stored = record.vector
            if not isinstance(stored, dict):
                raise Corrupt(f"point {record.id} has no named vectors")
            points.append(_stored(record))
            vectors.append(array("f", cast("list[float]", stored[DENSE])))
        present = {point["id"] for point in points}
        return points, vectors, [point_id for point_id in ids if point_id not in present]

    def close(self) -> None:
        """Flushes and lets go of the files."""
        self.flush()
        self.edge.close()

    def _wrote(self, ids: list[str]) -> None:
        self.unflushed += len(ids)
        # Items written again and again are one item outside the graph each.
        self.unindexed = min(self.unindexed + len(ids), self.edge.info().points_count)
        if self.changed is not None:
            self.changed.update(dict.fromkeys(ids))


def open_shard(directory: Path) -> Shard:
    """Opens a collection. Raises Missing, or Corrupt with the path and the engine's reason."""
    try:
        description = read_description(directory)
    except ValueError as error:
        raise Corrupt(str(error)) from error
    if description is None:
        raise Missing(str(directory))
    remove_leftovers(directory, description.current)
    return Shard(directory, description, load_edge(directory / description.current))


def open_copy(directory: Path, data: str, indexes: dict[str, str], indexed: int) -> Shard:
    """Opens a rebuilt copy, which has the indexes it was copied with. Raises Missing or Corrupt."""
    current = read_description(directory)
    if current is None:
        raise Missing(str(directory))
    description = replace(current, current=data, indexes=indexes, indexed=indexed, large=True)
    return Shard(directory, description, load_edge(directory / data))


def load_edge(path: Path) -> qdrant.EdgeShard:
    """Opens the engine's own directory. Raises Corrupt."""
    try:
        return qdrant.EdgeShard.load(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in the engine is no Exception
        raise Corrupt(f"{path}: {error}") from error


def create_shard(directory: Path, size: int, distance: str) -> Shard:
    """Makes an empty collection; a crash in between leaves none."""
    directory.mkdir(parents=True, exist_ok=True)
    description = Description(size, distance)
    remove_leftovers(directory, keep="")
    path = directory / description.current
    path.mkdir()
    edge = qdrant.EdgeShard.create(str(path), shard_config(size, distance))
    edge.flush()
    sync_directory(directory.parent)
    write_description(directory, description)
    return Shard(directory, description, edge)


def _stored(record: qdrant.Record) -> dict[str, Any]:
    return {"id": str(record.id), "payload": record.payload or {}}
