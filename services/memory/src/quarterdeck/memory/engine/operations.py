"""What an engine process does for each kind of request."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quarterdeck.memory.engine.committer import Committer
from quarterdeck.memory.engine.conditions import decode
from quarterdeck.memory.engine.frames import join_vectors, pack, split_vectors
from quarterdeck.memory.engine.layout import sync_tree
from quarterdeck.memory.engine.shard import (
    Corrupt,
    Missing,
    ShapeMismatch,
    Shard,
    create_shard,
    open_copy,
    open_shard,
)

READS = frozenset({"ping", "search", "get", "count", "scroll"})

# The engine writes through memory maps: on a full disk that is a signal, not an error.
FREE_BYTES_LEAST = 64 * 1024 * 1024

Answer = tuple[Any, bytes]
Send = Callable[[bytes], None]


class DiskFull(Exception):
    """Too little space to write safely."""


class Operations:
    """The open shards of one engine process."""

    def __init__(self, root: Path, committer: Committer, send: Send) -> None:
        self._root = root
        self._committer = committer
        self._send = send
        self.free_bytes_least = FREE_BYTES_LEAST
        self._shards: dict[str, Shard] = {}
        self._handlers: dict[str, Callable[[dict[str, Any], bytes], Answer]] = {
            "ping": self._ping,
            "search": self._search,
            "get": self._get,
            "count": self._count,
            "scroll": self._scroll,
            "ensure": self._ensure,
            "upsert": self._upsert,
            "delete": self._delete,
            "changes": self._changes,
            "abandon": self._abandon,
            "open": self._open,
            "adopt": self._adopt,
            "release": self._release,
        }

    def serve(self, header: dict[str, Any], body: bytes) -> None:
        """Does one request and sends its answer, or has it sent once it is durable."""
        request_id, op = header["id"], header["op"]
        try:
            if op == "checkpoint":
                self._checkpoint(header)
                return
            result, answer_body = self._handlers[op](header, body)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in the engine is no Exception
            self._send(_failure(request_id, error))
            return
        if op in {"upsert", "delete"}:
            shard = self._shard(header)
            self._committer.submit(shard, lambda failed: _written(request_id, result, failed))
        else:
            self._send(pack({"id": request_id, "result": result}, answer_body))

    def flush(self, *, idle: bool) -> None:
        """Flushes the shards that are due, and when idle one that has anything unflushed."""
        for shard in self._shards.values():
            if shard.flush_due or (idle and shard.unflushed):
                try:
                    shard.flush()
                except Exception as error:
                    # Nothing is lost: the log still has it. The next idle moment tries again.
                    shard.flush_due = False
                    print(f"flush of {shard.path} failed: {error}", file=sys.stderr)  # noqa: T201
                return

    def _shard(self, header: dict[str, Any]) -> Shard:
        name = header["collection"]
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = open_shard(self._root / name)
        return shard

    def _ping(self, _header: dict[str, Any], _body: bytes) -> Answer:
        return "pong", b""

    def _search(self, header: dict[str, Any], body: bytes) -> Answer:
        shard = self._shard(header)
        vectors = split_vectors(body, shard.description.size)
        where = decode(header["where"]) if header["where"] else None
        vector = vectors[0] if vectors else None
        return shard.search(vector, header["text"], header["limit"], where), b""

    def _get(self, header: dict[str, Any], _body: bytes) -> Answer:
        return self._shard(header).get(header["ids"]), b""

    def _count(self, header: dict[str, Any], _body: bytes) -> Answer:
        where = decode(header["where"]) if header["where"] else None
        return self._shard(header).count(where), b""

    def _scroll(self, header: dict[str, Any], _body: bytes) -> Answer:
        where = decode(header["where"]) if header["where"] else None
        return self._shard(header).scroll(where, header["limit"], header["after"]), b""

    def _ensure(self, header: dict[str, Any], _body: bytes) -> Answer:
        name, directory = header["collection"], self._root / header["collection"]
        if name not in self._shards and not (directory / "collection.json").exists():
            self._require_space()
            self._shards[name] = create_shard(directory, header["size"], header["distance"])
        shard = self._shard(header)
        shard.ensure(header["size"], header["distance"], header["indexes"])
        return {"unindexed": shard.unindexed, "indexed": shard.description.indexed}, b""

    def _upsert(self, header: dict[str, Any], body: bytes) -> Answer:
        self._require_space()
        shard = self._shard(header)
        shard.upsert(header["points"], split_vectors(body, shard.description.size))
        return {"unindexed": shard.unindexed, "indexed": shard.description.indexed}, b""

    def _delete(self, header: dict[str, Any], _body: bytes) -> Answer:
        shard = self._shard(header)
        deleted = shard.delete(header["ids"])
        return {"deleted": deleted}, b""

    def _checkpoint(self, header: dict[str, Any]) -> None:
        """Copies the files as they are now; the caller holds back writes until the answer."""
        shard = self._shard(header)
        self._require_space()
        shard.flush()
        shard.changed = {}
        target = shard.directory / header["target"]
        result = {
            "points": shard.edge.info().points_count,
            "indexed": shard.description.indexed,
            "indexes": shard.description.indexes,
        }

        def copy() -> None:
            try:
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(shard.path, target)
                sync_tree(target)
                frame = pack({"id": header["id"], "result": result})
            except OSError as error:
                frame = _failure(header["id"], error)
            self._send(frame)

        threading.Thread(target=copy, name="checkpoint", daemon=True).start()

    def _changes(self, header: dict[str, Any], _body: bytes) -> Answer:
        shard = self._shard(header)
        if shard.changed is None:
            raise RuntimeError("this process does not know what changed since the copy")
        points, vectors, deleted = shard.take_changed(shard.changed, header["limit"])
        left = len(shard.changed)
        return {"points": points, "deleted": deleted, "left": left}, join_vectors(vectors)

    def _abandon(self, header: dict[str, Any], _body: bytes) -> Answer:
        self._shard(header).changed = None
        return None, b""

    def _open(self, header: dict[str, Any], _body: bytes) -> Answer:
        """Opens a rebuilt copy beside the data that is current."""
        name = header["collection"]
        self._shards[name] = open_copy(
            self._root / name, header["data"], header["indexes"], header["indexed"]
        )
        return None, b""

    def _adopt(self, header: dict[str, Any], _body: bytes) -> Answer:
        """Makes the copy that `open` opened the current data."""
        shard = self._shard(header)
        shard.adopt()
        return {"unindexed": shard.unindexed, "indexed": shard.description.indexed}, b""

    def _release(self, header: dict[str, Any], _body: bytes) -> Answer:
        shard = self._shards.pop(header["collection"], None)
        if shard is not None:
            shard.close()
        return None, b""

    def _require_space(self) -> None:
        free = shutil.disk_usage(self._root).free
        if free < self.free_bytes_least:
            raise DiskFull(f"{free // 1024 // 1024} MiB are free on the disk that holds {self._root}")


def _written(request_id: int, result: Any, failed: OSError | None) -> bytes:
    if failed is not None:
        return _failure(request_id, failed)
    return pack({"id": request_id, "result": result})


def _failure(request_id: int, error: BaseException) -> bytes:
    kinds: dict[type[BaseException], str] = {
        Corrupt: "corrupt",
        Missing: "missing",
        ShapeMismatch: "mismatch",
        DiskFull: "full",
    }
    kind = kinds.get(type(error), "failed")
    if isinstance(error, OSError) and error.errno == 28:
        kind = "full"
    message = str(error) or type(error).__name__
    return pack({"id": request_id, "error": {"kind": kind, "message": message}})
