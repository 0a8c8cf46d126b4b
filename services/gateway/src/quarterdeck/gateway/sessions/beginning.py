"""A sign-in that has begun: what the browser takes along, sealed, until it comes back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from cryptography.fernet import Fernet, InvalidToken

from quarterdeck.common import codec
from quarterdeck.gateway.constants import BEGUN_SECONDS
from quarterdeck.gateway.oidc.providers import Provider


@dataclass(frozen=True, slots=True)
class Begun:
    """What must fit together when the browser comes back.

    Attributes:
        state: what the provider sends back, so that nobody else's answer is taken for this one's.
        nonce: what the ID token must name, so that no other token is.
        verifier: what proves to the provider that who asks for the token is who asked for the code (PKCE).
        back: the path to show in the end.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    back: str


class Seal:
    """Seals what a browser carries and must neither read nor change.

    Args:
        pepper: a secret that all gateways have.
    """

    def __init__(self, pepper: bytes) -> None:
        key = hmac.digest(pepper, b"browser-sign-in", hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, begun: Begun) -> str:
        """Returns it sealed."""
        return self._fernet.encrypt(codec.dumps(asdict(begun))).decode()

    def open(self, text: str) -> Begun | None:
        """Returns what was sealed here, at most ten minutes ago; else None."""
        try:
            return Begun(**codec.loads(self._fernet.decrypt(text.encode(), ttl=BEGUN_SECONDS)))
        except (InvalidToken, UnicodeEncodeError):
            return None


def begin(provider: Provider, back: str) -> Begun:
    """Returns the beginning of a sign-in."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Begun(provider.name, state, nonce, verifier, path_here(back))


def path_here(text: str) -> str:
    """Returns a path of this gateway; the console's for what leads anywhere else."""
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_path else "/console/"


def address(endpoint: str, provider: Provider, begun: Begun, redirect: str) -> str:
    """Returns where the browser is sent."""
    digest = hashlib.sha256(begun.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": provider.client,
        "redirect_uri": redirect,
        "scope": " ".join(scope for scope in provider.scopes if scope != "offline_access"),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
