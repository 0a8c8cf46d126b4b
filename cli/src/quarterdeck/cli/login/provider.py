"""What a provider says of itself, and its answers: small, in time, and from a safe address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from quarterdeck.cli.constants import EXIT_UNREACHABLE
from quarterdeck.cli.errors import CliError

WELL_KNOWN = "/.well-known/openid-configuration"
PATIENCE = 10.0
_ON_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider starts a sign-in of a device, and where it gives tokens."""

    device: str
    token: str


def endpoints_of(issuer: str) -> Endpoints:
    """Asks a provider where it is asked. Raises CliError."""
    url = issuer.rstrip("/") + WELL_KNOWN
    said = _json(_sent("GET", url), url)
    if said.get("issuer") != issuer:
        raise CliError(f"{issuer} calls itself {said.get('issuer')!r}", code=EXIT_UNREACHABLE)
    device, token = said.get("device_authorization_endpoint"), said.get("token_endpoint")
    if not isinstance(device, str) or not isinstance(token, str):
        raise CliError(
            f"{issuer} does not let programs sign in by a code",
            hint="put a token into a context: qd config set-context NAME --token-file FILE",
        )
    return Endpoints(device, token)


def post(url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Posts a form; returns what is answered, an OAuth error (`error`) included. Raises CliError."""
    return _json(_sent("POST", url, form), url)


def _sent(method: str, url: str, form: Mapping[str, str] | None = None) -> Any:
    from quarterdeck.cli.http_library import httpx

    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _ON_THIS_MACHINE:
        raise CliError(f"{url} is not https, and not on this machine", code=EXIT_UNREACHABLE)
    try:
        headers = {"Accept": "application/json"}
        return httpx.request(method, url, data=dict(form or {}), headers=headers, timeout=PATIENCE)
    except httpx.HTTPError as error:
        raise CliError(
            f"the identity provider at {url} does not answer: {type(error).__name__}", code=EXIT_UNREACHABLE
        ) from None


def _json(response: Any, url: str) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict) or response.status_code >= 500:
        raise CliError(f"{url} answers {response.status_code}, and nothing to go on", code=EXIT_UNREACHABLE)
    return said
