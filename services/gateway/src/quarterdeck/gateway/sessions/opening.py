"""Wires signing in in a browser."""

from __future__ import annotations

from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.oidc.tokens import OidcTokens
from quarterdeck.gateway.sessions.beginning import Seal
from quarterdeck.gateway.sessions.signing_in import SigningIn


def open_signing_in(settings: GatewaySettings, tokens: OidcTokens, pepper: bytes) -> SigningIn:
    """Returns what sends browsers to the providers, and knows who comes back."""
    return SigningIn(settings.identity_providers, tokens, Seal(pepper))
