"""Tokens of identity providers: signed by one of its keys, meant for us, and of this moment."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from quarterdeck.common.identity import Principal
from quarterdeck.gateway.oidc.claims import peek, principal_of
from quarterdeck.gateway.oidc.keys import Fetch, KeySet
from quarterdeck.gateway.oidc.providers import Provider

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# What an access token or an ID token calls itself; a logout token, for one, is neither.
TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
# Seconds that clocks may differ, and that a verified token is believed without another look.
LEEWAY, REMEMBERED = 60, 60.0
KEPT = 4096


class OidcTokens:
    """Turns tokens into principals.

    Args:
        refused: called with why one was refused, which only the metrics tell.
        fetch: asks a provider for its keys.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        refused: Callable[[str], None],
        fetch: Callable[[Provider], Fetch],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = {provider.issuer: provider for provider in providers}
        self._keys = {provider.issuer: KeySet(fetch(provider), clock) for provider in providers}
        self._refused = refused
        self._clock = clock
        self._verified: OrderedDict[bytes, tuple[float, float, Principal]] = OrderedDict()

    def knows(self, token: str) -> bool:
        """True for a token that says to be of one of the providers."""
        said = peek(token)
        return said is not None and self._issuer_of(said[1]) in self._providers

    async def principal(self, token: str) -> Principal | None:
        """Returns whose a token is; None if it proves nothing. Raises Unavailable."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        until, ends, known = self._verified.get(digest, (0.0, 0.0, None))
        if known is not None and self._clock() < until and time.time() < ends:
            return known
        found, ends = await self._verify(token)
        if found is not None:
            self._verified[digest] = (self._clock() + REMEMBERED, ends, found)
            while len(self._verified) > KEPT:
                self._verified.popitem(last=False)
        return found

    async def _verify(self, token: str) -> tuple[Principal | None, float]:
        said = peek(token)
        provider = self._providers.get(self._issuer_of(said[1])) if said else None
        if said is None or provider is None or not _fits(said[0]):
            self._refused("malformed")
            return None, 0.0
        key = await self._keys[provider.issuer].find(said[0]["kid"])
        if key is None:
            self._refused("unknown-key")
            return None, 0.0
        claims = _checked(token, key, said[0]["alg"], provider)
        found = principal_of(provider, claims) if claims is not None else None
        if claims is None or found is None:
            self._refused("invalid")
            return None, 0.0
        return found, float(claims["exp"]) + LEEWAY

    def _issuer_of(self, claims: dict[str, Any]) -> str:
        issuer = claims.get("iss")
        return issuer if isinstance(issuer, str) else ""


def _fits(header: dict[str, Any]) -> bool:
    """True if a header says what can be checked; nothing else of it is used, least of all a key."""
    kind, key_id = header.get("typ", ""), header.get("kid")
    return (
        header.get("alg") in ALGORITHMS
        and isinstance(key_id, str)
        and 0 < len(key_id) <= 512
        and isinstance(kind, str)
        and kind.lower() in TYPES
        and "crit" not in header
    )


def _checked(token: str, key: dict[str, Any], algorithm: str, provider: Provider) -> dict[str, Any] | None:
    """Returns the claims of a token that is signed by the key, for us, and of now; else None."""
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(key, algorithm=key.get("alg") or algorithm).key,
            algorithms=[key.get("alg") or algorithm],
            audience=provider.audience,
            issuer=provider.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return claims
