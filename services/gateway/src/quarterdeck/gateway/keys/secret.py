"""The secret under which keys are sealed."""

from __future__ import annotations

import secrets
from pathlib import Path

from quarterdeck.common.errors import Unavailable
from quarterdeck.gateway.private_files import made_once

SHORTEST = 32


def pepper_of(path: Path) -> bytes:
    """Returns the secret in a file; makes it at the first start.

    Raises:
        Unavailable: the file cannot be read or written, or what it holds is too short to be secret.
    """
    text = made_once(path, lambda: secrets.token_urlsafe(48))
    if len(text) < SHORTEST:
        raise Unavailable(
            f"the file {path} holds no secret of {SHORTEST} characters",
            hint="delete it, and every API key with it; the next start makes a new one",
            reason="BadKeysSecret",
        )
    return text.encode()
