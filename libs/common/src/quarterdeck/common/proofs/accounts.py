"""Who calls, in a cluster: tokens of the pod's Kubernetes account, one for each service that it may call.

The kubelet writes them into the pod and replaces them before they end. They are checked without asking
anybody, by the API server's public keys, which lie in a file. What a token proves is the account; the service
follows from its name, in this installation's namespace and in no other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.proofs.keys import LOOK_AGAIN, Now
from quarterdeck.common.proofs.tokens import LEEWAY, Refused

# What the issuer signs with is its own choice among these; never what a token says alone.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512")
_ACCOUNT = "system:serviceaccount:"


def audience_of(service: str) -> str:
    """Returns what tokens for a service name as their audience; those for the API server name another."""
    return f"quarterdeck.dev/{service}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where things lie, and which account is which service.

    Attributes:
        tokens: a directory with a token for each service, in a file that is named like it.
        keys: a file with the public keys of who issues them (JWKS).
        names: services by names of accounts; one that is not named here is called like its service.
    """

    tokens: Path
    keys: Path
    names: Mapping[str, str] = field(default_factory=dict)


class AccountTokens:
    """What this pod shows when it calls."""

    def __init__(self, directory: Path, now: Now = time.time) -> None:
        self._directory = directory
        self._now = now
        self._read: dict[str, tuple[float, str]] = {}

    def token(self, service: str) -> str:
        """Returns the token for a service. Raises Unavailable if there is none."""
        now = self._now()
        read_at, token = self._read.get(service, (0.0, ""))
        if not token or not 0 <= now - read_at < LOOK_AGAIN:
            token = self._file(service)
            self._read[service] = (now, token)
        return token

    def _file(self, service: str) -> str:
        path = self._directory / service
        try:
            return path.read_text().strip()
        except OSError as error:
            raise Unavailable(
                f"this pod has no token for {service}: {path}: {error.strerror}",
                hint="mount a projected service-account token for each service; see docs/kubernetes.md",
                reason="NoWorkloadToken",
            ) from None


class AccountVerifier:
    """Checks what other pods show to this service."""

    def __init__(self, service: str, accounts: Accounts, now: Now = time.time) -> None:
        self._audience = audience_of(service)
        self._accounts = accounts
        self._mine = AccountTokens(accounts.tokens, now)
        self._service = service
        self._now = now
        self._keys: dict[str, Any] = {}
        self._read_at = float("-inf")

    def verify(self, token: str) -> tuple[float, str]:
        """Returns when a token ends, and which service it proves. Raises Refused."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._key(str(header.get("kid", ""))),
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._mine_says("iss"),
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Refused("expired") from None
        except jwt.InvalidAudienceError:
            raise Refused("audience") from None
        except jwt.InvalidSignatureError:
            raise Refused("signature") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Refused("malformed") from None
        return float(claims["exp"]), self._service_of(str(claims["sub"]))

    def _service_of(self, subject: str) -> str:
        namespace, _, account = subject.removeprefix(_ACCOUNT).partition(":")
        own = str(self._mine_says("sub")).removeprefix(_ACCOUNT).partition(":")[0]
        if not subject.startswith(_ACCOUNT) or not account or namespace != own:
            raise Refused("subject")
        return self._accounts.names.get(account, account)

    def _mine_says(self, claim: str) -> Any:
        """Returns a claim of this pod's own token, which the kubelet vouches for."""
        import jwt

        try:
            return jwt.decode(self._mine.token(self._service), options={"verify_signature": False}).get(claim)
        except (Unavailable, jwt.PyJWTError):
            raise Refused("unavailable") from None

    def _key(self, key_id: str) -> Any:
        """Returns a public key; the file is read again for one that is not known, and from time to time."""
        now = self._now()
        if not 0 <= now - self._read_at < LOOK_AGAIN:
            self._keys, self._read_at = _keys_in(self._accounts.keys), now
        if key_id not in self._keys:
            raise Refused("key")
        return self._keys[key_id]


def _keys_in(path: Path) -> dict[str, Any]:
    """Returns the keys of a file by their ids; none if it cannot be read."""
    import jwt

    try:
        found = jwt.PyJWKSet.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, jwt.PyJWTError):
        return {}
    return {str(key.key_id): key.key for key in found.keys}
