"""Who calls: workload tokens between services, and the principal they call for.

Each process signs short tokens with an Ed25519 key of its own and puts the public half
into a shared directory of JSON Web Keys; a callee accepts a token whose key is in that
directory and whose audience is its own name. A token proves the service; the principal
it acts for travels beside it and is believed only from a proven service.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.constants import PLATFORM_ADMINS, SERVICE_PRINCIPAL_PREFIX
from quarterdeck.common.errors import Unauthenticated

TOKEN_LIFETIME = 300.0
RENEW_BEFORE = 60.0
VERIFIED_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program: a subject and its groups.

    The subject is its full name, that of who vouches for it included (`corp:anna`, `account:nightly`): two
    issuers have no name in common. The same holds for groups.

    Attributes:
        tenant: the only tenant where it may do anything; empty: wherever a role allows it.
        scopes: what it is narrowed to, by the key that it came with; empty: not narrowed.
    """

    subject: str
    groups: tuple[str, ...] = ()
    tenant: str = ""
    scopes: tuple[Rule, ...] = ()

    @property
    def is_platform_admin(self) -> bool:
        """True for members of the platform administrators."""
        return PLATFORM_ADMINS in self.groups

    @property
    def is_service(self) -> bool:
        """True for a service acting for itself."""
        return self.subject.startswith(SERVICE_PRINCIPAL_PREFIX)


def to_header(name: str) -> str:
    """Returns a subject or group as it travels: metadata is ASCII, and a comma ends a group's name."""
    return quote(name, safe="/:@")


def from_header(text: str) -> str:
    """Returns the name that `to_header` wrote."""
    return unquote(text)


def service_principal(name: str) -> Principal:
    """Returns the principal of a service acting for itself."""
    return Principal(SERVICE_PRINCIPAL_PREFIX + name)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a handler may know about its caller."""

    service: str
    principal: Principal
    method: str = ""


_current: ContextVar[CallContext | None] = ContextVar("quarterdeck_call", default=None)


def current_call() -> CallContext:
    """Returns the context of the RPC being served. Raises Unauthenticated outside of one."""
    context = _current.get()
    if context is None:
        raise Unauthenticated("no caller: this code runs outside an RPC")
    return context


def set_current_call(context: CallContext | None) -> None:
    """Sets the caller for this task. Only the server's interceptor and tests do."""
    _current.set(context)


class KeyDirectory:
    """A directory with one public key (JWK) a file, named by key id; mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def publish(self, key_id: str, jwk: dict[str, Any]) -> None:
        """Adds a public key."""
        temporary = self.path / f".{key_id}.tmp"
        temporary.write_text(json.dumps(jwk))
        temporary.rename(self.path / f"{key_id}.json")

    def withdraw(self, key_id: str) -> None:
        """Removes a public key; its tokens are refused from now on."""
        (self.path / f"{key_id}.json").unlink(missing_ok=True)

    def find(self, key_id: str) -> dict[str, Any] | None:
        """Returns a key, or None. The id is checked: it becomes a file's name."""
        if not key_id.replace("-", "").isalnum():
            return None
        try:
            jwk: dict[str, Any] = json.loads((self.path / f"{key_id}.json").read_text())
        except (OSError, ValueError):
            return None
        return jwk


class WorkloadIdentity:
    """Signs tokens for one service."""

    def __init__(self, service: str, keys: KeyDirectory) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from jwt.algorithms import OKPAlgorithm

        self.service = service
        self._keys = keys
        self._private = Ed25519PrivateKey.generate()
        self.key_id = f"{service}-{os.getpid()}-{secrets.token_hex(4)}"
        jwk = OKPAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        keys.publish(self.key_id, {**jwk, "kid": self.key_id, "service": service})
        self._tokens: dict[str, tuple[float, str]] = {}

    def token(self, audience: str) -> str:
        """Returns a token that proves this service to `audience`; made anew a minute before it expires."""
        import jwt

        now = time.time()
        expires, token = self._tokens.get(audience, (0.0, ""))
        if expires - now > RENEW_BEFORE:
            return token
        expires = now + TOKEN_LIFETIME
        claims = {
            "iss": "quarterdeck",
            "sub": self.service,
            "aud": audience,
            "iat": int(now),
            "exp": int(expires),
        }
        token = jwt.encode(claims, self._private, algorithm="EdDSA", headers={"kid": self.key_id})
        self._tokens[audience] = (expires, token)
        return token

    def close(self) -> None:
        """Withdraws the public key."""
        self._keys.withdraw(self.key_id)


@dataclass(slots=True)
class TokenVerifier:
    """Checks workload tokens for one audience. A token is verified once and remembered until it expires."""

    audience: str
    keys: KeyDirectory
    _verified: OrderedDict[str, tuple[float, str]] = field(default_factory=OrderedDict)

    def verify(self, token: str) -> str:
        """Returns the calling service's name. Raises Unauthenticated."""
        known = self._verified.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        expires, service = self._verify(token)
        self._verified[token] = (expires, service)
        while len(self._verified) > VERIFIED_TOKENS:
            self._verified.popitem(last=False)
        return service

    def _verify(self, token: str) -> tuple[float, str]:
        import jwt

        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            jwk = self.keys.find(key_id)
            if jwk is None:
                raise Unauthenticated("the caller's key is not known")
            claims = jwt.decode(
                token,
                jwt.PyJWK(jwk).key,
                algorithms=["EdDSA"],
                audience=self.audience,
                issuer="quarterdeck",
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"workload token refused: {error}") from error
        if claims["sub"] != jwk.get("service"):
            raise Unauthenticated("workload token refused: signed by another service's key")
        return float(claims["exp"]), str(claims["sub"])
