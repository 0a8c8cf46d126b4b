"""What went wrong in the engine's process, as an error for the caller."""

from __future__ import annotations

from pathlib import Path

from quarterdeck.common.errors import FailedPrecondition, NotFound, QuarterdeckError, Unavailable
from quarterdeck.memory.engine.interface import CollectionKey


def explain(key: CollectionKey, directory: Path, kind: str, message: str) -> QuarterdeckError:
    """Returns the error for a failure of `kind` on the collection in `directory`."""
    match kind:
        case "corrupt":
            return corrupt(key, directory, message)
        case "missing":
            return missing(key)
        case "mismatch":
            return mismatch(key, message)
        case "full":
            return Unavailable(
                f"the disk is full: {message}",
                hint="free some space; the platform goes on by itself",
                reason="DiskFull",
            )
    return Unavailable(f"the vector engine failed on collection {key.name!r}: {message}")


def corrupt(key: CollectionKey, directory: Path, message: str) -> FailedPrecondition:
    """Returns the error of a collection whose files cannot be read."""
    return FailedPrecondition(
        f"the files of collection {key.name!r} in {directory} cannot be read: {message}",
        hint="stop the platform and restore that directory from a backup, or move it away and "
        "save the items again",
        reason="CorruptCollection",
    )


def missing(key: CollectionKey) -> NotFound:
    """Returns the error of a collection that was never made."""
    return NotFound(f"collection {key.name!r} has no data yet", reason="CollectionMissing")


def mismatch(key: CollectionKey, held: str) -> FailedPrecondition:
    """Returns the error of a collection that holds other vectors; `held` says which."""
    return FailedPrecondition(
        f"collection {key.name!r} holds vectors of {held}",
        field="spec.vector",
        hint="keep that, or delete the collection and save its items again",
        reason="DimensionMismatch",
    )
