"""One owner for an engine's directory, engine processes included."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from quarterdeck.common.errors import Unavailable
from quarterdeck.memory.engine.layout import LOCK

# A predecessor's engine processes notice its death within this time.
WAIT_SECONDS = 10.0


async def lock_directory(root: Path) -> int:
    """Locks the directory and returns the descriptor that holds the lock.

    Engine processes inherit the descriptor, so the lock ends only with the last of them: a
    service that was killed cannot be followed by one that writes beside its orphans.

    Raises:
        Unavailable: another service has the directory.
    """
    handle = await asyncio.to_thread(_open, root)
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(handle)
                raise Unavailable(
                    f"another memory service uses the directory {root}",
                    hint="stop it, or give this one a data directory of its own",
                    reason="DirectoryInUse",
                ) from None
            await asyncio.sleep(0.05)
        else:
            return handle


def _open(root: Path) -> int:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
