"""Compact signed tokens: JSON Web Tokens by Ed25519, and nothing else that a library of them can do.

A token's kind stands in its header (`typ`), so that one that was made for something else is none here.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ISSUER = "quarterdeck"
# Seconds that a token lives at most, and by how much clocks may differ.
LIFETIME = 300.0
LEEWAY = 10.0
LONGEST = 24 * 1024
_HEADER = {"alg", "typ", "kid"}


class Refused(Exception):
    """A proof that counts for nothing. `why` is one word for who counts them; callers are not told."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unverified(NamedTuple):
    """A token taken apart; nothing in it is believed yet."""

    kind: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def sign(kind: str, key_id: str, claims: dict[str, Any], key: Ed25519PrivateKey) -> str:
    """Returns the token of some claims."""
    head = _encoded({"alg": "EdDSA", "typ": kind, "kid": key_id})
    signed = f"{head}.{_encoded(claims)}"
    return f"{signed}.{_text(key.sign(signed.encode()))}"


def take_apart(token: str) -> Unverified:
    """Returns what a token says of itself. Raises Refused."""
    signed, _, signature = token.rpartition(".")
    head, dot, body = signed.partition(".")
    if not dot or len(token) > LONGEST:
        raise Refused("malformed")
    header, claims = _decoded(head), _decoded(body)
    if header.keys() != _HEADER or header["alg"] != "EdDSA":
        raise Refused("malformed")
    return Unverified(str(header["typ"]), str(header["kid"]), claims, signed.encode(), _bytes(signature))


def require_signed(token: Unverified, key: Ed25519PublicKey) -> None:
    """Raises Refused unless the key's private half signed the token."""
    try:
        key.verify(token.signature, token.signed)
    except InvalidSignature:
        raise Refused("signature") from None


def require_current(claims: dict[str, Any], audience: str, now: float) -> float:
    """Returns when the claims end. Raises Refused for those of another place, or another time."""
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("iss") != ISSUER or not isinstance(issued, int) or not isinstance(expires, int):
        raise Refused("malformed")
    if claims.get("aud") != audience:
        raise Refused("audience")
    if expires - issued > LIFETIME or issued > now + LEEWAY:
        raise Refused("lifetime")
    if expires <= now:
        raise Refused("expired")
    return float(expires)


def _encoded(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    if not isinstance(value, dict):
        raise Refused("malformed")
    return value


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused("malformed") from None
