"""From a token's claims to a principal. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.oidc.providers import Provider

LONGEST_NAME, MOST_GROUPS = 256, 256


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Returns header and claims as a token says them, believed by nobody yet; None if it is no token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = (codec.loads(_decoded(part)) for part in parts[:2])
    except (ValueError, binascii.Error):
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def principal_of(provider: Provider, claims: Mapping[str, Any]) -> Principal | None:
    """Returns whom verified claims are about; None if they name nobody."""
    subject = claims.get(provider.subject_claim)
    # An address that nobody has confirmed may be anybody's.
    unconfirmed = provider.subject_claim == "email" and claims.get("email_verified") is not True
    if unconfirmed or not _is_name(subject):
        return None
    groups = claims.get(provider.groups_claim, ())
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    named = dict.fromkeys(f"{provider.name}:{group}" for group in listed if _is_name(group))
    return Principal(f"{provider.name}:{subject}", tuple(named)[:MOST_GROUPS], provider.tenant)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
