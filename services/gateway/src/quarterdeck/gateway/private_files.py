"""Files that only their owner reads, made once."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from quarterdeck.common.errors import Unavailable


def made_once(path: Path, make: Callable[[], str]) -> str:
    """Returns what a private file holds; makes it if it is not there.

    The file has mode 0600 from its first byte on, and two starts at once agree on one content.

    Raises:
        Unavailable: the file cannot be read or written, or others may read it.
    """
    try:
        _create(path, make)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.read_text().strip()
    except OSError as error:
        raise Unavailable(f"the token file {path} cannot be used: {error.strerror}") from error


def _create(path: Path, make: Callable[[], str]) -> None:
    """Writes a file under a temporary name, then links it into place unless one is there."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(make() + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()
