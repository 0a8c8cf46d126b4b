"""Wires signing in in a browser."""

from __future__ import annotations

from quarterdeck.common.service import Platform
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.oidc.tokens import OidcTokens
from quarterdeck.gateway.sessions.beginning import Seal
from quarterdeck.gateway.sessions.signing_in import SigningIn


def open_signing_in(
    platform: Platform, settings: GatewaySettings, tokens: OidcTokens, pepper: bytes
) -> SigningIn:
    """Returns what sends browsers to the providers, and knows who comes back."""
    return SigningIn(settings.identity_providers, tokens, Seal(pepper), platform.settings.outbound())
