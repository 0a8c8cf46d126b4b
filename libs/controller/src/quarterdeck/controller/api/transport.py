"""Requests to the API server: one HTTP exchange each, paced, authenticated, with errors as exceptions."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck.controller.api.connection import Connection
from quarterdeck.controller.api.errors import ApiError, Silent, Unauthorized, Unreachable, error_of
from quarterdeck.controller.api.lines import LineSplitter
from quarterdeck.controller.api.pacing import TokenBucket, retry_after_of, wait_before_retry
from quarterdeck.controller.metrics import ClientMetrics

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 10.0
REQUEST_TIMEOUT = 30.0
# A peer that vanished without a word is noticed by the kernel after 20 + 3 * 10 seconds.
_KEEPALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


class Transport:
    """The connections to one API server; belongs to one event loop.

    Args:
        pace: how many requests there may be; watches and requests share it.
        user_agent: how the server's logs name us.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        pace: TokenBucket | None = None,
        user_agent: str = "quarterdeck",
        metrics: ClientMetrics | None = None,
    ) -> None:
        self._connection = connection
        self._pace = pace or TokenBucket()
        self._user_agent = user_agent
        self._metrics = metrics
        self._made: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes all connections; watches in progress end with `Unreachable`."""
        if self._made is not None:
            await self._made.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
        timeout: float = REQUEST_TIMEOUT,
    ) -> tuple[bytes, str]:
        """Makes a request, again if the server says it did nothing and wants to be asked later.

        Args:
            body: sent as JSON; None for no body.
            before: called right before each attempt is sent; what it raises ends the request.
            timeout: seconds for all attempts together.

        Returns:
            The body and its content type.

        Raises:
            ApiError: the kind that fits; `Unreachable` without an answer in time.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        attempt, trusted = 0, False
        try:
            async with asyncio.timeout(timeout):
                while True:
                    attempt += 1
                    try:
                        return await self._once(method, path, params, data, headers, before)
                    except Unauthorized:
                        if trusted:
                            raise
                        trusted = True
                        await self._connection.refresh()
                    except ApiError as error:
                        wait = wait_before_retry(error.code, error.retry_after, attempt)
                        if wait is None:
                            raise
                        await asyncio.sleep(wait)
        except TimeoutError:
            raise Unreachable(f"{method} {path}: no answer within {timeout:g} s") from None

    async def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str] | None,
        before: Callable[[], None] | None,
    ) -> tuple[bytes, str]:
        import aiohttp

        await self._pace.turn()
        call = await self._call(path, params, headers)
        if before is not None:
            before()
        try:
            async with self._session().request(method, **call, data=data) as answer:
                text = await answer.read()
                self._count(answer.status, method)
                _raise_for(answer.status, text, answer.headers)
                return text, answer.content_type
        except (aiohttp.ClientError, OSError) as error:
            self._count(0, method)
            raise Unreachable(f"{method} {path}: {type(error).__name__}: {error}") from error

    async def lines(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], silence: float
    ) -> AsyncIterator[bytes]:
        """Makes a request whose answer is a line now and then, and yields the lines until it ends.

        Args:
            silence: seconds without a byte after which the connection counts as dead.

        Raises:
            ApiError: the server refused; `Unreachable` if the connection broke or stayed silent.
        """
        import aiohttp

        await self._pace.turn()
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=silence)
        call = await self._call(path, params, headers)
        answered = False
        try:
            async with self._session().get(**call, timeout=patience) as answer:
                answered = True
                self._count(answer.status, "WATCH")
                if answer.status >= 400:
                    _raise_for(answer.status, await answer.read(), answer.headers)
                splitter = LineSplitter()
                async for chunk in answer.content.iter_any():
                    for line in splitter.feed(chunk):
                        yield line
        except aiohttp.SocketTimeoutError as error:
            kind = Silent if answered else Unreachable
            raise kind(f"watch of {path}: silent for {silence:g} s") from error
        except ValueError as error:
            raise ApiError(f"watch of {path}: {error}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"watch of {path}: {type(error).__name__}: {error}") from error

    async def _call(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> dict[str, Any]:
        connection = self._connection
        return {
            "url": connection.host + path,
            "params": dict(params or {}),
            "headers": {"Accept": "application/json", **(headers or {}), **await connection.headers()},
            "server_hostname": connection.server_name,
            "proxy": connection.proxy,
            # With each request: a changed certificate of ours needs connections of its own.
            "ssl": connection.tls or True,
        }

    def _session(self) -> aiohttp.ClientSession:
        if self._made is None:
            import aiohttp

            # No limit: every watch holds a connection, and pacing bounds the rest.
            connector = aiohttp.TCPConnector(limit=0, socket_factory=_socket, keepalive_timeout=60)
            self._made = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                # Packing costs more processor time than a cluster's network saves.
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            )
        return self._made

    def _count(self, code: int, method: str) -> None:
        if self._metrics is not None:
            self._metrics.requests.labels(str(code) if code else "<error>", method).inc()


def _raise_for(code: int, text: bytes, headers: Mapping[str, str]) -> None:
    if code < 400:
        return
    try:
        status = json.loads(text)
    except ValueError:
        # A proxy in between writes what it likes; a word of it helps whoever reads the log.
        status = {"message": f"{code}: {text[:200].decode(errors='replace').strip()}"}
    raise error_of(code, status, retry_after_of(headers.get("Retry-After")))
