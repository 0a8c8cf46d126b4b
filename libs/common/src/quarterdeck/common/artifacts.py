"""Content-addressed storage for payloads too large to be inline.

An artifact is named by the SHA-256 of its bytes and belongs to one tenant: knowing a digest
gives nobody another tenant's bytes. It is durable before anything names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, NotFound, Unavailable

PREFIX = "sha256:"
REF = "$artifact"
# How the name of a file ends while it is being collected.
_ASIDE = ".collected"
# No space, no quota, or a limit on the size of files.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What is read whole to find out what it is; of larger ones the brackets at both ends must do.
_READ_WHOLE = 1024 * 1024
_NAME = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(f"{PREFIX}{_NAME.pattern}")


class ArtifactStore(Protocol):
    """What services need of an artifact store."""

    async def put(self, tenant_id: str, data: bytes) -> str:
        """Stores `data` durably and returns its digest, "sha256:<hex>"."""

    async def get(self, tenant_id: str, digest: str) -> bytes:
        """Returns the bytes. Raises NotFound, also when another tenant has them."""

    async def delete(self, tenant_id: str, digest: str) -> None:
        """Removes it, if it is there."""

    async def older_than(self, tenant_id: str, moment: float) -> list[str]:
        """Returns the digests that nobody has put since `moment` (Unix time)."""

    async def collect(self, tenant_id: str, digest: str, moment: float) -> bool:
        """Removes it if nobody has put it since `moment`; True if it is gone."""


class DirectoryArtifacts:
    """Artifacts as files below a directory: `<root>/<tenant>/<first two digits>/<digest>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, tenant_id: str, data: bytes) -> str:
        """See `ArtifactStore.put`."""
        return await asyncio.to_thread(self._put, tenant_id, data)

    def _put(self, tenant_id: str, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        path = self._path(tenant_id, PREFIX + name)
        try:
            if _touch(path):  # whoever puts it may be about to name it: it is as good as new
                return PREFIX + name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_durably(path, data)
        except OSError as error:
            raise self._explain(error) from error
        return PREFIX + name

    def _explain(self, error: OSError) -> Unavailable:
        if error.errno in _FULL:
            return Unavailable(
                f"the disk that holds {self._root} is full",
                hint="free some space; the platform goes on by itself",
                reason="DiskFull",
            )
        return Unavailable(f"an artifact cannot be stored in {self._root}: {error.strerror or error}")

    async def get(self, tenant_id: str, digest: str) -> bytes:
        """See `ArtifactStore.get`."""
        path = self._path(tenant_id, digest)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError as error:
            raise NotFound(f"no artifact {digest}") from error

    async def delete(self, tenant_id: str, digest: str) -> None:
        """See `ArtifactStore.delete`."""
        path = self._path(tenant_id, digest)
        await asyncio.to_thread(lambda: path.unlink(missing_ok=True))

    async def older_than(self, tenant_id: str, moment: float) -> list[str]:
        """See `ArtifactStore.older_than`."""
        return await asyncio.to_thread(self._older_than, tenant_id, moment)

    def _older_than(self, tenant_id: str, moment: float) -> list[str]:
        files = [file for file in (self._root / tenant_id).glob("??/*") if not _put_back(file)]
        old = [file.name for file in files if _NAME.fullmatch(file.name) and _is_older(file, moment)]
        return [PREFIX + name for name in old]

    async def collect(self, tenant_id: str, digest: str, moment: float) -> bool:
        """See `ArtifactStore.collect`."""
        return await asyncio.to_thread(_collect, self._path(tenant_id, digest), moment)

    def _path(self, tenant_id: str, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise InvalidArgument(
                "not an artifact digest", field="digest", hint='write "sha256:" and 64 hex digits'
            )
        name = digest.removeprefix(PREFIX)
        return self._root / tenant_id / name[:2] / name


def _touch(path: Path) -> bool:
    """Says that a file is wanted now; False if it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False


def _put_back(file: Path) -> bool:
    """Puts a file back that a crash left aside. Returns whether it was one."""
    if not file.name.endswith(_ASIDE):
        return False
    with contextlib.suppress(FileNotFoundError):
        file.rename(file.with_name(file.name.removesuffix(_ASIDE)))
    return True


def _collect(path: Path, moment: float) -> bool:
    """Takes the file aside first: who puts the same now writes it anew, and who has just put it is seen."""
    aside = path.with_name(f"{path.name}{_ASIDE}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if _is_older(aside, moment):
        aside.unlink()
        return True
    aside.rename(path)
    return False


def _write_durably(path: Path, data: bytes) -> None:
    """Writes to a temporary file and renames it, so that a name never shows half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def reference(digest: str, size: int) -> dict[str, Any]:
    """Returns the JSON value that stands for an artifact inside a payload."""
    return {REF: digest, "size": size}


def referenced(value: Any) -> str | None:
    """Returns the digest if `value` is an artifact reference, else None."""
    if isinstance(value, Mapping) and REF in value and set(value) <= {REF, "size"}:
        return str(value[REF])
    return None


async def externalise(store: ArtifactStore, tenant_id: str, value: Any, limit: int) -> Any:
    """Returns `value`, or a reference to an artifact that holds its JSON if that is over `limit` bytes."""
    data = codec.dumps(value)
    if len(data) <= limit:
        return value
    return reference(await store.put(tenant_id, data), len(data))


async def internalise(store: ArtifactStore, tenant_id: str, value: Any) -> Any:
    """Returns the value behind a reference, or `value` itself if it is none."""
    digest = referenced(value)
    return value if digest is None else codec.loads(await store.get(tenant_id, digest))


def media_type(data: bytes) -> str:
    """Returns what the bytes are: JSON, other text in UTF-8, or just bytes."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/json" if _is_json(data) else "text/plain; charset=utf-8"


def _is_json(data: bytes) -> bool:
    if len(data) > _READ_WHOLE:
        ends = data[:64].lstrip()[:1] + data[-64:].rstrip()[-1:]
        return ends in (b"{}", b"[]", b'""')
    try:
        codec.loads(data)
    except ValueError:
        return False
    return True


def open_artifacts(url: str) -> ArtifactStore:
    """Opens the artifact store at `url`: `file://<path>`."""
    if not url.startswith("file://"):
        raise Unavailable(
            f"no adapter for the artifact URL {url.split(':', 1)[0]}://…", field="artifacts_url"
        )
    return DirectoryArtifacts(Path(url.removeprefix("file://")))
