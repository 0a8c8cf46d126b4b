"""The door itself: no token, no way in, whatever the path; unknown paths included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from quarterdeck.common.errors import PermissionDenied, QuarterdeckError
from quarterdeck.gateway.authentication import Authenticator, become
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import LOOPBACK_PATHS, OPEN_PATHS, OPEN_PREFIXES
from quarterdeck.gateway.problems import problem_response
from quarterdeck.gateway.sessions.cookies import SESSION, is_from_here, read
from quarterdeck.gateway.sessions.place import public_origin

SignedPath = Callable[[str, str], bool]


class Authenticate:
    """Names the caller of each request, or refuses it with 401.

    Args:
        signed_path: `signed_path(method, path)` is true for a webhook's path: its signature
            is checked where the body is read, so it needs no token here.
        settings: where the gateway is; if only this machine can connect, `LOOPBACK_PATHS` are open.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, signed_path: SignedPath, settings: GatewaySettings
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._signed_path = signed_path
        self._settings = settings
        self._open = OPEN_PATHS | LOOPBACK_PATHS if settings.on_loopback else OPEN_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not self._is_open(scope["method"], scope["path"]):
            try:
                given = self._credential(scope)
                principal = await self._authenticator.authenticate(given)
            except QuarterdeckError as error:
                response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
                await response(scope, receive, send)
                return
            scope["qd.principal"] = principal
            become(principal, partial(self._authenticator.authenticate, given))
        await self._app(scope, receive, send)

    def _credential(self, scope: Scope) -> str:
        """Returns the `Authorization` of a request, that of a browser's session if it has none of its own."""
        headers = dict(scope["headers"])
        given, cookie = headers.get(b"authorization", b""), headers.get(b"cookie", b"")
        if given or not cookie:
            return str(given.decode("latin-1"))
        origin = public_origin(self._settings, headers.get(b"host", b"").decode("latin-1"))
        token = read(cookie.decode("latin-1"), SESSION, is_https=origin.startswith("https:"))
        if not token:
            return ""
        if not is_from_here(scope["method"], headers, origin):
            raise PermissionDenied("another site asked for this", reason="CrossSite")
        return f"Bearer {token}"

    def _is_open(self, method: str, path: str) -> bool:
        if path in self._open or path.startswith(OPEN_PREFIXES):
            return True
        return self._signed_path(method, path)
