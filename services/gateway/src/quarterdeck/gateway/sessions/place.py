"""Where browsers find this gateway. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import SIGNED_IN_PATH
from quarterdeck.gateway.oidc.providers import is_loopback


def public_origin(settings: GatewaySettings, host: str) -> str:
    """Returns scheme and host of the gateway as its visitors see it; empty if that is not known.

    Args:
        host: the `Host` of a request, which is believed on a gateway that only this machine reaches.
    """
    if settings.public_url:
        return settings.public_url
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
    return f"http://{host}" if settings.on_loopback and is_loopback(name) else ""


def redirect_address(origin: str) -> str:
    """Returns where a provider sends browsers back to.

    Raises:
        FailedPrecondition: the origin is not known.
    """
    if not origin:
        raise FailedPrecondition(
            "nobody can sign in by a browser here", hint="its operator sets QD_GATEWAY_PUBLIC_URL"
        )
    return origin + SIGNED_IN_PATH
