"""What a key looks like, and what is kept of it. Pure.

`qdk_<id>_<secret><seal>`: the id finds the row, the secret proves the holder, and the seal is a part of the
HMAC of both under a secret of the platform. So what was made up is refused by one HMAC, without a look into
the database, and what is kept, another HMAC, lets nobody in who reads the table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

PREFIX = "qdk_"
_ID, _SECRET, _SEAL = 12, 43, 22
_WHOLE = re.compile(rf"qdk_([a-z2-7]{{{_ID}}})_([A-Za-z0-9_-]{{{_SECRET}}})([A-Za-z0-9_-]{{{_SEAL}}})")
LENGTH = len(PREFIX) + _ID + 1 + _SECRET + _SEAL
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Presented:
    """A key whose seal is right: what finds its row, and what the row must hold."""

    id: str
    proof: bytes


def make(pepper: bytes) -> tuple[str, Presented]:
    """Returns a new key, which is shown once, and what is kept of it."""
    key_id, secret = "".join(secrets.choice(_LETTERS) for _ in range(_ID)), secrets.token_urlsafe(32)
    return f"{PREFIX}{key_id}_{secret}{_seal(pepper, key_id, secret)}", _presented(pepper, key_id, secret)


def read(pepper: bytes, text: str) -> Presented | None:
    """Returns what a key proves; None for what the platform did not make."""
    found = _WHOLE.fullmatch(text) if len(text) == LENGTH else None
    if found is None:
        return None
    key_id, secret, seal = found.groups()
    if not hmac.compare_digest(seal, _seal(pepper, key_id, secret)):
        return None
    return _presented(pepper, key_id, secret)


def _presented(pepper: bytes, key_id: str, secret: str) -> Presented:
    return Presented(key_id, hmac.digest(pepper, f"proof:{key_id}:{secret}".encode(), hashlib.sha256))


def _seal(pepper: bytes, key_id: str, secret: str) -> str:
    digest = hmac.digest(pepper, f"seal:{key_id}:{secret}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest)[:_SEAL].decode()
