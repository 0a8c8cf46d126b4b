"""HTTP for URLs that users name. Needs httpx2, which those bring who speak HTTP this way."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import httpx2

from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.outbound.resolving import OutboundRefused, reachable

# Seconds that the addresses of a host are taken for granted. Connections go to them, and not to the name.
REMEMBERED = 30.0
_USUAL_PORT = {"http": 80, "https": 443}


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Connects to addresses that were looked at. A redirect is a request that passes here too."""

    def __init__(
        self,
        outbound: Outbound,
        inner: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._outbound = outbound
        self._inner = inner or httpx2.AsyncHTTPTransport()
        self._now = now
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`. A refused host is a ConnectError: nothing was sent."""
        addresses = await self._addresses(request)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_to(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        try:
            return await self._inner.handle_async_request(_to(request, addresses[-1]))
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            self._known.clear()
            raise

    async def aclose(self) -> None:
        """See `httpx2.AsyncBaseTransport`."""
        await self._inner.aclose()

    async def _addresses(self, request: httpx2.Request) -> list[str]:
        port = request.url.port or _USUAL_PORT.get(request.url.scheme, 0)
        place = request.url.host, port
        until, known = self._known.get(place, (0.0, []))
        if until > self._now():
            return known
        try:
            known = await reachable(*place, self._outbound)
        except OutboundRefused as error:
            raise httpx2.ConnectError(error.message, request=request) from None
        self._known[place] = self._now() + REMEMBERED, known
        return known


def _to(request: httpx2.Request, address: str) -> httpx2.Request:
    """Returns the request for one address. The name stays in `Host`, and in TLS to be in the certificate."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
