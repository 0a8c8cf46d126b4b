"""Wires the identity providers."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.common.service import Platform
from quarterdeck.gateway.oidc.fetching import keys_of
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.oidc.tokens import OidcTokens


def open_oidc(platform: Platform, providers: Sequence[Provider]) -> OidcTokens:
    """Returns who knows whose these tokens are. No provider is asked before the first token."""
    from prometheus_client import Counter

    refused = Counter(
        "identity_tokens_refused_total",
        "Tokens of identity providers that let nobody in.",
        ["why"],
        registry=platform.telemetry.registry,
    )
    outbound = platform.settings.outbound()
    return OidcTokens(
        providers,
        lambda why: refused.labels(why).inc(),
        lambda provider: lambda: keys_of(provider, outbound),
    )
