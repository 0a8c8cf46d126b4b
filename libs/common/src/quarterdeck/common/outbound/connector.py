"""HTTP by aiohttp for a URL that users name. Needs aiohttp, which those bring who speak HTTP this way."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.outbound.resolving import reachable

_USUAL_PORT = {"http": 80, "https": 443}


class Pinned(AbstractResolver):
    """Knows the addresses of one host and no other."""

    def __init__(self, host: str, addresses: list[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`. Raises OSError for another host, as a redirect may name."""
        if host != self._host:
            raise OSError(f"{host} was not looked at")
        return [_result(host, address, port) for address in self._addresses]

    async def close(self) -> None:
        """Has nothing to close."""


async def guarded_connector(url: str, outbound: Outbound) -> aiohttp.TCPConnector:
    """Returns what connects to the host of a URL, at an address that was looked at.

    The caller follows no redirects: a host that is written as an address would not pass the resolver.

    Raises:
        OutboundRefused: the host has no address that may be reached.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _USUAL_PORT.get(parts.scheme, 0)
    return aiohttp.TCPConnector(resolver=Pinned(host, await reachable(host, port, outbound)))


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )
