"""The door itself: no token, no way in, whatever the path; unknown paths included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.gateway.authentication import Authenticator, become
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import FORWARDED_FOR_HEADER, LOOPBACK_PATHS, OPEN_PATHS, OPEN_PREFIXES
from quarterdeck.gateway.edges.addresses import client_address
from quarterdeck.gateway.edges.opening import Rates
from quarterdeck.gateway.problems import problem_response
from quarterdeck.gateway.sessions.credential import credential_of

_FORWARDED_FOR = FORWARDED_FOR_HEADER.lower().encode()

SignedPath = Callable[[str, str], bool]


class Authenticate:
    """Names the caller of each request, or refuses it with 401.

    Args:
        signed_path: `signed_path(method, path)` is true for a webhook's path: its signature
            is checked where the body is read, so it needs no token here.
        settings: where the gateway is; if only this machine can connect, `LOOPBACK_PATHS` are open.
        rates: counts what lets nobody in, by address.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        signed_path: SignedPath,
        settings: GatewaySettings,
        rates: Rates,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._signed_path = signed_path
        self._rates = rates
        self._settings = settings
        self._open = OPEN_PATHS | LOOPBACK_PATHS if settings.on_loopback else OPEN_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or self._is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        address = self._address(scope, headers)
        try:
            if self._signed_path(scope["method"], scope["path"]):
                await self._signed(address, scope, receive, send)
                return
            given = credential_of(scope["method"], headers, self._settings)
            look = self._authenticator.authenticate
            principal = await self._rates.proofs.prove(address, given, look)
        except QuarterdeckError as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
            await response(scope, receive, send)
            return
        scope["qd.principal"] = principal
        become(principal, partial(look, given))
        await self._app(scope, receive, send)

    async def _signed(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a webhook; a signature that is refused further in counts as a failure."""
        self._rates.proofs.check(address)
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, noting)
        if status == HTTPStatus.UNAUTHORIZED:
            await self._rates.proofs.failed(address)

    def _address(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        forwarded = headers.get(_FORWARDED_FOR, b"").decode("latin-1")
        return client_address((scope.get("client") or ("",))[0], forwarded, self._rates.trusted)

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(OPEN_PREFIXES)
