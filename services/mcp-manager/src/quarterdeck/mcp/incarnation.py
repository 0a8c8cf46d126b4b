"""Which tool server processes of this or an earlier life may still be alive.

Each start of a local server gets a file that is locked by the launcher and, through inheritance, by the
server itself. The kernel drops the lock when the last of them is gone, however they ended; so whether a
process of the past can still write is a question to the file, and no process id can be mistaken for
another. A machine that was restarted holds no locks.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.common.ids import uuid7

_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One start of a server: its id, and the locked descriptor to hand down."""

    id: str
    descriptor: int


def begin(directory: Path) -> Incarnation:
    """Creates and locks the file of a new start. The caller hands the descriptor down and closes its own."""
    name = uuid7()
    descriptor = os.open(directory / (name + _SUFFIX), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Incarnation(name, descriptor)


def is_dead(directory: Path, name: str) -> bool:
    """Returns whether every process of that start is known to be gone; forgets the file if so."""
    path = directory / (name + _SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    return True


def sweep(directory: Path) -> list[str]:
    """Removes the files of starts that are over; returns the names of those still alive."""
    names = [path.name.removesuffix(_SUFFIX) for path in directory.glob("*" + _SUFFIX)]
    return [name for name in names if not is_dead(directory, name)]
