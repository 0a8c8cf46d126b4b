"""What a request proves with who it comes from. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.sessions.cookies import SESSION, is_from_here, read
from quarterdeck.gateway.sessions.place import public_origin


def credential_of(method: str, headers: Mapping[bytes, bytes], settings: GatewaySettings) -> str:
    """Returns the `Authorization` of a request, or that of a browser's session if it has none of its own.

    Raises:
        PermissionDenied: the session's browser was sent here by another site.
    """
    given, cookie = headers.get(b"authorization", b""), headers.get(b"cookie", b"")
    if given or not cookie:
        return given.decode("latin-1")
    origin = public_origin(settings, headers.get(b"host", b"").decode("latin-1"))
    token = read(cookie.decode("latin-1"), SESSION, is_https=origin.startswith("https:"))
    if not token:
        return ""
    if not is_from_here(method, headers, origin):
        raise PermissionDenied("another site asked for this", reason="CrossSite")
    return f"Bearer {token}"
