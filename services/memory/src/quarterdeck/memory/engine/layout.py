"""Where a collection's files are, and the one small file that says which of them count.

<root>/LOCK                              held by the service and all its engine processes
<root>/<tenant id>/<collection>/collection.json
<root>/<tenant id>/<collection>/data-<n>/          the shard that `current` names
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

DESCRIPTION = "collection.json"
LOCK = "LOCK"


@dataclass(frozen=True, slots=True)
class Description:
    """The durable facts of one collection on disk.

    Args:
        size: dimension of its vectors.
        distance: how they are compared: cosine, dot or euclid.
        indexes: payload path to index type.
        current: name of the directory that holds the data.
        indexed: points that were in the graph index when it was built last; 0: never built.
        large: True once the collection has a process of its own.
    """

    size: int
    distance: str = "cosine"
    indexes: dict[str, str] = field(default_factory=dict)
    current: str = "data-0"
    indexed: int = 0
    large: bool = False

    def next_directory(self) -> str:
        """Returns the name of the directory that will replace `current`."""
        return f"data-{int(self.current.rsplit('-', 1)[1]) + 1}"


def read_description(directory: Path) -> Description | None:
    """Reads a collection's description; None: no collection. Raises ValueError if it is damaged."""
    path = directory / DESCRIPTION
    try:
        data = json.loads(path.read_text())
        return Description(
            size=int(data["size"]),
            distance=str(data["distance"]),
            indexes=dict(data["indexes"]),
            current=str(data["current"]),
            indexed=int(data["indexed"]),
            large=bool(data["large"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def write_description(directory: Path, description: Description) -> None:
    """Replaces the description; a crash leaves the old one or the new one."""
    temporary = directory / f".{DESCRIPTION}.tmp"
    with temporary.open("w") as file:
        json.dump(asdict(description), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / DESCRIPTION)
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(directory: Path) -> None:
    """Makes every file below a directory durable. Files may vanish meanwhile."""
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(Path(folder) / name, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            sync_directory(Path(folder))


def remove_leftovers(directory: Path, keep: str) -> None:
    """Removes data directories that a rebuild or a crash left behind."""
    for path in directory.glob("data-*"):
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
