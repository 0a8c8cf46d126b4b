"""Keys that sign proofs: the private half stays in its process, the public one lies in a shared directory."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from quarterdeck.common.proofs.tokens import LEEWAY, LIFETIME, Refused

Now = Callable[[], float]
# Seconds: a key signs for half a day; its public half stays for the tokens that it signed last.
KEY_LIFETIME = 12 * 3600.0
OVERLAP = LIFETIME + 2 * LEEWAY
# Seconds until a key that was read is looked for again: one that was withdrawn counts as long.
LOOK_AGAIN = 5.0
KNOWN_KEYS = 256


class KeyDirectory:
    """A directory with a folder for each service, and in it one public key (JWK) a file, named by key id.

    Whose a key is, the folder says. Where services may write into their own folder alone, none of them can
    pass for another.

    Args:
        own: where this process writes its keys, if it sees its folder at another path than below `path`.
    """

    def __init__(self, path: Path, own: Path | None = None) -> None:
        self.path = path
        self._own = own
        if own is None:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def publish(self, key_id: str, jwk: dict[str, Any]) -> None:
        """Adds a public key."""
        folder = self._written(key_id)
        folder.mkdir(exist_ok=True, mode=0o700)
        temporary = folder / f".{key_id}.tmp"
        temporary.write_text(json.dumps(jwk))
        temporary.rename(folder / f"{key_id}.json")

    def withdraw(self, key_id: str) -> None:
        """Removes a public key; its tokens are refused from now on."""
        (self._written(key_id) / f"{key_id}.json").unlink(missing_ok=True)

    def find(self, key_id: str) -> dict[str, Any] | None:
        """Returns a key, or None. The id is checked: it becomes a file's name."""
        if not key_id.replace("-", "").isalnum():
            return None
        service = service_of(key_id)
        try:
            jwk: dict[str, Any] = json.loads((self.path / service / f"{key_id}.json").read_text())
        except (OSError, ValueError):
            return None
        return jwk if jwk.get("service") == service else None

    def sweep(self, service: str, now: float) -> None:
        """Removes a service's keys whose time is over: those of processes that did not end by themselves."""
        for file in (self._own or self.path / service).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                if json.loads(file.read_text()).get("exp", now) < now:
                    file.unlink(missing_ok=True)

    def _written(self, key_id: str) -> Path:
        return self._own or self.path / service_of(key_id)


def service_of(key_id: str) -> str:
    """Returns whose key an id names: what stands before the process and a few letters of chance."""
    return key_id.rsplit("-", 2)[0]


class SigningKeys:
    """The keys of one process: the newest signs, those before it are published for what they signed."""

    def __init__(self, service: str, directory: KeyDirectory, now: Now = time.time) -> None:
        self._service = service
        self._directory = directory
        self._now = now
        self._retired: list[tuple[float, str]] = []
        self._make()

    def current(self) -> tuple[str, Ed25519PrivateKey]:
        """Returns the key that signs, and its id; makes another one when its time is over."""
        now = self._now()
        if now - self._born >= KEY_LIFETIME:
            self._retired.append((now + OVERLAP, self.key_id))
            self._make()
        while self._retired and self._retired[0][0] <= now:
            self._directory.withdraw(self._retired.pop(0)[1])
        return self.key_id, self._private

    def close(self) -> None:
        """Withdraws all of them."""
        for key_id in (self.key_id, *(key_id for _, key_id in self._retired)):
            self._directory.withdraw(key_id)

    def _make(self) -> None:
        self._born = self._now()
        self._directory.sweep(self._service, self._born)
        self._private = Ed25519PrivateKey.generate()
        self.key_id = f"{self._service}-{os.getpid()}-{secrets.token_hex(4)}"
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        jwk = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode(),
            "kid": self.key_id,
            "service": self._service,
            "exp": int(self._born + KEY_LIFETIME + OVERLAP),
        }
        self._directory.publish(self.key_id, jwk)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A published key: whose it is, and until when."""

    service: str
    key: Ed25519PublicKey
    expires: float


class KnownKeys:
    """The published keys, as they were read a moment ago."""

    def __init__(self, directory: KeyDirectory, now: Now = time.time) -> None:
        self._directory = directory
        self._now = now
        self._read: OrderedDict[str, tuple[float, PublicKey]] = OrderedDict()

    def find(self, key_id: str) -> PublicKey:
        """Returns a key that may sign now. Raises Refused."""
        now = self._now()
        read_at, key = self._read.get(key_id, (0.0, None))
        if key is None or not 0 <= now - read_at < LOOK_AGAIN:
            key = _public(self._directory.find(key_id))
            self._read[key_id] = (now, key)
            while len(self._read) > KNOWN_KEYS:
                self._read.popitem(last=False)
        if key.expires <= now:
            raise Refused("key")
        return key


def _public(jwk: dict[str, Any] | None) -> PublicKey:
    """Returns what a published key says. Raises Refused for one that is not there, or is none."""
    try:
        said = jwk or {}
        x = str(said["x"])
        key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
        return PublicKey(str(said["service"]), key, float(said["exp"]))
    except (KeyError, ValueError, TypeError):
        raise Refused("key") from None
