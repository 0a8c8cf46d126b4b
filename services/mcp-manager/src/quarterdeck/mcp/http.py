"""The Streamable HTTP transport: the SDK's client over an HTTP layer that bounds what comes in.

The SDK reads a JSON body of any size and fails the whole session when a connection breaks. The layer below
it, `BoundedTransport`, hands large answers to the worker process (see `exchange.py`) and turns what happens
to one HTTP request into an answer to that one MCP request, saying whether it was sent at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from quarterdeck.common import codec
from quarterdeck.common.outbound.http_transport import GuardedTransport
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.mcp.connection import Connection
from quarterdeck.mcp.constants import CONTROL_MESSAGE_BYTES, EDGE_BODY, LOST, UNREACHABLE
from quarterdeck.mcp.exchange import Exchange, RequestId
from quarterdeck.mcp.framing import EDGE_BYTES, LineSplitter, Oversized

_CONNECT_TIMEOUT = 30.0
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@asynccontextmanager
async def open_remote(
    url: str, headers: Mapping[str, str], exchange: Exchange, outbound: Outbound | None = None
) -> AsyncIterator[Connection]:
    """Connects to a Streamable HTTP endpoint. Nothing is sent before the first message.

    Args:
        outbound: where the address may lead to; None for an address of our own.
    """
    from mcp.client.streamable_http import streamable_http_client

    # Answers are awaited as long as the call's own time-out says, so reading has none of its own.
    timeout = httpx2.Timeout(_CONNECT_TIMEOUT, read=None)
    wire = httpx2.AsyncHTTPTransport() if outbound is None else GuardedTransport(outbound)
    transport = BoundedTransport(wire, exchange)
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=timeout, transport=transport) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=CONTROL_MESSAGE_BYTES) as streams,
    ):
        channel = {"read_stream": streams[0], "write_stream": streams[1]}
        yield Connection(channel, exchange, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def open_pod(url: str, exchange: Exchange) -> AsyncIterator[Connection]:
    """Connects to the endpoint of a pod, like `open_remote`; calls of tools take a shorter way there."""
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
    from mcp.shared.transport_context import TransportContext
    from quarterdeck.mcp.direct.client import PodClient
    from quarterdeck.mcp.direct.dispatcher import DirectDispatcher

    timeout = httpx2.Timeout(_CONNECT_TIMEOUT, read=None)
    transport = BoundedTransport(httpx2.AsyncHTTPTransport(), exchange)
    async with (
        httpx2.AsyncClient(timeout=timeout, transport=transport) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=CONTROL_MESSAGE_BYTES) as streams,
    ):
        inner = JSONRPCDispatcher[TransportContext](*streams)
        direct = DirectDispatcher(inner, PodClient(url), exchange, lambda: transport.session)
        yield Connection({"dispatcher": direct}, exchange, asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class Asked:
    """The MCP request that an HTTP request carries."""

    id: RequestId
    method: str
    tool: str


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends requests through `inner` and bounds every answer."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange
        self.session = ""
        """The id that the server has given to the session; empty if it gives none."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        asked = _asked(request)
        # A compressed answer would have to be unpacked before its size is known.
        request.headers["accept-encoding"] = "identity"
        if asked is None:
            return self._bounded(await self._inner.handle_async_request(request), None)
        self._exchange.sent(asked.id, asked.method, asked.tool)
        try:
            response = await self._inner.handle_async_request(request)
        except _NOT_SENT as error:
            return self._made_up(asked, UNREACHABLE, f"cannot reach {_place(request)}: {_words(error)}")
        except httpx2.TransportError as error:
            return self._made_up(asked, LOST, f"{_place(request)} broke off: {_words(error)}")
        if response.status_code >= 400:
            return await self._refusal(asked, request, response)
        if asked.method == "initialize":
            self.session = response.headers.get("mcp-session-id", "")
        return self._bounded(response, asked)

    async def aclose(self) -> None:
        """See `httpx2.AsyncBaseTransport`."""
        await self._inner.aclose()

    def _bounded(self, response: httpx2.Response, asked: Asked | None) -> httpx2.Response:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = _Events if kind == "text/event-stream" else _Document
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        stream = body(response, self._exchange, asked)
        more = response.extensions
        return httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=more)

    def _made_up(self, asked: Asked, code: int, message: str) -> httpx2.Response:
        document = self._exchange.error(asked.id, code, message) or b""
        self._exchange.settled(asked.id)
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=document)

    async def _refusal(
        self, asked: Asked, request: httpx2.Request, response: httpx2.Response
    ) -> httpx2.Response:
        """An error status: the server's own JSON-RPC error if it sent one, else ours by the status."""
        body = await _beginning(response)
        status = f"{response.status_code} {response.reason_phrase}"
        if _is_rpc_error(body):
            self._exchange.settled(asked.id)
            kind = {"content-type": "application/json"}
            return httpx2.Response(response.status_code, headers=kind, content=body)
        code = LOST if response.status_code >= 500 else UNREACHABLE
        return self._made_up(asked, code, f"{_place(request)} answered {status}")


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, bounded."""

    def __init__(self, response: httpx2.Response, exchange: Exchange, asked: Asked | None) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._inner = response.stream
        self._exchange = exchange
        self._asked = asked

    async def aclose(self) -> None:
        if self._asked is not None:
            self._exchange.settled(self._asked.id)
        await self._inner.aclose()

    async def _admit(self, line: bytes | Oversized) -> bytes:
        return await self._exchange.admit(line, self._asked.id if self._asked else None) or b""


class _Document(_Body):
    """One JSON document."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        document, tail, size = bytearray(), b"", 0
        async for chunk in self._inner:
            size += len(chunk)
            tail = (tail + chunk)[-EDGE_BYTES:]
            if size <= self._exchange.limit:
                document += chunk
        if size > self._exchange.limit:
            yield await self._admit(Oversized(size, bytes(document[:EDGE_BYTES]), tail))
        elif size:
            yield await self._admit(bytes(document))


class _Events(_Body):
    """Server-sent events, one message in the data of each."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lines = LineSplitter(self._exchange.limit)
        async for chunk in self._inner:
            for line in lines.feed(chunk):
                yield await self._line(line)

    async def _line(self, line: bytes | Oversized) -> bytes:
        if isinstance(line, Oversized):
            data = Oversized(line.size, line.head.removeprefix(b"data:"), line.tail)
            return b"data: " + await self._admit(data) + b"\n"
        if not line.startswith(b"data:"):
            return line + b"\n"
        return b"data: " + await self._admit(line.removeprefix(b"data:").strip()) + b"\n"


def _asked(request: httpx2.Request) -> Asked | None:
    """Reads which MCP request a POST carries; None for anything else."""
    if request.method != "POST":
        return None
    message: dict[str, Any] = codec.loads(request.content)
    if "id" not in message or "method" not in message:
        return None
    params = message.get("params") or {}
    return Asked(message["id"], message["method"], str(params.get("name", "")))


async def _beginning(response: httpx2.Response) -> bytes:
    """Reads at most `EDGE_BODY` bytes of a body."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    body = b""
    try:
        async for chunk in response.stream:
            body += chunk
            if len(body) > EDGE_BODY:
                break
    except httpx2.TransportError:
        pass
    finally:
        await response.stream.aclose()
    return body[:EDGE_BODY]


def _is_rpc_error(body: bytes) -> bool:
    try:
        document = codec.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("error"), dict)


def _place(request: httpx2.Request) -> str:
    """The address without what may be secret in it."""
    return str(request.url.copy_with(userinfo=b"", query=None, fragment=None))


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
