"""What browsers need: who may call us from other sites, and that we are reached by TLS alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import (
    IDEMPOTENCY_HEADER,
    LAST_EVENT_HEADER,
    OUTCOME_HEADER,
    REPLAYED_HEADER,
    REQUEST_ID_HEADER,
)
from quarterdeck.gateway.edges.addresses import is_trusted
from quarterdeck.gateway.edges.origins import is_foreign
from quarterdeck.gateway.edges.rate_headers import LIMIT_HEADER, POLICY_HEADER
from quarterdeck.gateway.problems import problem_response

_YEAR = 365 * 86400
_HSTS = (b"strict-transport-security", f"max-age={_YEAR}; includeSubDomains".encode())
_TELLING = (b"sec-fetch-site", b"origin", b"host")
# Headers that pages of allowed sites may send, and read.
_TAKEN = ("Authorization", "Content-Type", IDEMPOTENCY_HEADER, LAST_EVENT_HEADER, REQUEST_ID_HEADER)
_SHOWN = (
    LIMIT_HEADER,
    POLICY_HEADER,
    "Retry-After",
    "Location",
    OUTCOME_HEADER,
    REPLAYED_HEADER,
    REQUEST_ID_HEADER,
)


class Browsers:
    """Refuses what a page of a foreign site makes a browser send, and answers preflights for allowed sites.

    Proxies that are trusted are believed when they say that they were reached by TLS.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        # A proxy may have put another Host in place of the one that our own pages were loaded from.
        self._origins = frozenset((*settings.cors_origins, settings.public_url))
        self._trusted = settings.trusted_proxies
        self._app = _with_cors(app, settings.cors_origins) if settings.cors_origins else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sending = _promising(send) if self._by_tls(scope, headers) else send
        if self._is_foreign(scope["method"], headers):
            error = PermissionDenied(
                "another site may not do this by way of a browser",
                hint="whoever runs the platform allows sites by QD_GATEWAY_CORS_ORIGINS",
                reason="CrossSite",
            )
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
            await response(scope, receive, sending)
            return
        await self._app(scope, receive, sending)

    def _is_foreign(self, method: str, headers: Mapping[bytes, bytes]) -> bool:
        site, origin, host = (headers.get(name, b"").decode("latin-1") for name in _TELLING)
        return is_foreign(method, site, origin, host, self._origins)

    def _by_tls(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        if not self._trusted or headers.get(b"x-forwarded-proto", b"").lower() != b"https":
            return False
        return is_trusted((scope.get("client") or ("",))[0], self._trusted)


def _promising(send: Send) -> Send:
    async def promising(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _HSTS]
        await send(message)

    return promising


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Tokens are sent by the page itself, so no credentials of the browser are ever allowed."""
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=list(_TAKEN),
        expose_headers=list(_SHOWN),
        max_age=600,
    )
