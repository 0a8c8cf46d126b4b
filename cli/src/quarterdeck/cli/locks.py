"""One process a service and data directory: a lock that dies with its process.

A record lock (`lockf`) is used because the kernel frees it at any death and because child
processes do not inherit it: a tool server that outlives a killed platform does not hold it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from quarterdeck.cli.constants import EXIT_IN_USE, LOCKS_DIR
from quarterdeck.cli.errors import CliError


@contextlib.contextmanager
def hold_locks(data_dir: Path, services: Sequence[str]) -> Iterator[None]:
    """Holds the locks of `services` on a data directory.

    Raises CliError that names the process which holds one of them already.
    """
    folder = data_dir / LOCKS_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as held:
        for service in services:
            held.enter_context(_hold(folder / f"{service}.lock", service, data_dir))
        yield


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Waits until no other process is inside, and keeps others out."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _hold(path: Path, service: str, data_dir: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, service, data_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, service: str, data_dir: Path) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise CliError(
            f"{data_dir} is in use: process {holder} runs its {service}",
            hint=f"use that platform, stop it (kill {holder}), or choose another directory with QD_DATA_DIR",
            code=EXIT_IN_USE,
        ) from None


def holder_of(data_dir: Path, service: str) -> int:
    """Returns the id of the process that holds a service's lock, 0 if nobody does.

    Not for a process that holds it itself: closing the file would free its lock.
    """
    try:
        descriptor = os.open(data_dir / LOCKS_DIR / f"{service}.lock", os.O_RDWR)
    except OSError:
        return 0
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return 0
