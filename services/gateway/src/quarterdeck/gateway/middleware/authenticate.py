"""The door itself: no token, no way in, whatever the path; unknown paths included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.gateway.authentication import Authenticator, become
from quarterdeck.gateway.constants import LOOPBACK_PATHS, OPEN_PATHS, OPEN_PREFIXES
from quarterdeck.gateway.problems import problem_response

SignedPath = Callable[[str, str], bool]


class Authenticate:
    """Names the caller of each request, or refuses it with 401.

    Args:
        signed_path: `signed_path(method, path)` is true for a webhook's path: its signature
            is checked where the body is read, so it needs no token here.
        on_loopback: whether only this machine can connect, which opens `LOOPBACK_PATHS`.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, signed_path: SignedPath, on_loopback: bool
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._signed_path = signed_path
        self._open = OPEN_PATHS | LOOPBACK_PATHS if on_loopback else OPEN_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not self._is_open(scope["method"], scope["path"]):
            try:
                given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
                principal = await self._authenticator.authenticate(given)
            except QuarterdeckError as error:
                response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
                await response(scope, receive, send)
                return
            scope["qd.principal"] = principal
            become(principal, partial(self._authenticator.authenticate, given))
        await self._app(scope, receive, send)

    def _is_open(self, method: str, path: str) -> bool:
        if path in self._open or path.startswith(OPEN_PREFIXES):
            return True
        return self._signed_path(method, path)
