"""What a credential that we make looks like, and what is kept of it. Pure.

`<prefix><id>_<secret><seal>`: the id finds the row, the secret proves the holder, and the seal is a part of
the HMAC of both under a secret of the platform. So what was made up is refused by one HMAC, without a look
into the database, and what is kept, another HMAC, lets nobody in who reads the table.
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
_WHOLE = re.compile(rf"([a-z2-7]{{{_ID}}})_([A-Za-z0-9_-]{{{_SECRET}}})([A-Za-z0-9_-]{{{_SEAL}}})")
LENGTH = len(PREFIX) + _ID + 1 + _SECRET + _SEAL
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential whose seal is right: what finds its row, and what the row must hold."""

    id: str
    proof: bytes


@dataclass(frozen=True, slots=True)
class Format:
    """One sort of credential.

    Attributes:
        prefix: four characters by which it is known.
        pepper: the secret under which it is sealed.
    """

    prefix: str
    pepper: bytes

    def make(self) -> tuple[str, Presented]:
        """Returns a new one, which is shown once, and what is kept of it."""
        made_id, secret = "".join(secrets.choice(_LETTERS) for _ in range(_ID)), secrets.token_urlsafe(32)
        return f"{self.prefix}{made_id}_{secret}{self._seal(made_id, secret)}", self._presented(
            made_id, secret
        )

    def read(self, text: str) -> Presented | None:
        """Returns what one proves; None for what the platform did not make."""
        if len(text) != LENGTH or not text.startswith(self.prefix):
            return None
        found = _WHOLE.fullmatch(text, len(self.prefix))
        if found is None:
            return None
        made_id, secret, seal = found.groups()
        if not hmac.compare_digest(seal, self._seal(made_id, secret)):
            return None
        return self._presented(made_id, secret)

    def _presented(self, made_id: str, secret: str) -> Presented:
        proof = hmac.digest(self.pepper, f"proof:{made_id}:{secret}".encode(), hashlib.sha256)
        return Presented(made_id, proof)

    def _seal(self, made_id: str, secret: str) -> str:
        digest = hmac.digest(self.pepper, f"seal:{made_id}:{secret}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest)[:_SEAL].decode()
