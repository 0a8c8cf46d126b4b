"""An HTTP server on loopback that speaks the wire formats of Anthropic and OpenAI, streaming included.

It answers from a list of replies, in order, and keeps what it was asked. Nothing of a provider's SDK is
replaced: the SDK talks to it as it talks to the real thing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

from quarterdeck.llm.testing import anthropic_events, openai_events
from quarterdeck.llm.testing.replies import Fault, Reply

_FORMATS: Mapping[str, ModuleType] = {
    "/v1/messages": anthropic_events,
    "/v1/chat/completions": openai_events,
}


@dataclass(frozen=True)
class Recorded:
    """A request that arrived. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


Responder = Callable[[Recorded], Reply | Fault]


class WireServer:
    """Use it with `async with`. Give it replies in order, or a `responder` that decides by the request."""

    def __init__(self, responder: Responder | None = None) -> None:
        self.requests: list[Recorded] = []
        self._replies: deque[Reply | Fault] = deque()
        self._responder = responder
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()
        self.dropped = 0
        """Connections that a client closed in the middle of an answer."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """The server's address without a path."""
        if self._server is None:
            raise RuntimeError("the server is used outside of 'async with'")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def anthropic_url(self) -> str:
        """The base URL for the Anthropic provider."""
        return self.url

    @property
    def openai_url(self) -> str:
        """The base URL for the OpenAI provider."""
        return f"{self.url}/v1"

    async def until(self, what: Callable[[Self], object], timeout: float = 5.0) -> None:
        """Wait until something holds of this server; raises `TimeoutError` after so many seconds."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: what(self))

    def reply(self, *replies: Reply | Fault) -> None:
        """Queue answers; each request takes the next one."""
        self._replies.extend(replies)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while request := await _read_request(reader):
                self.requests.append(request)
                await self._tell()
                if not await self._answer(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped += 1
        finally:
            self._open.discard(writer)
            writer.close()
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _answer(self, request: Recorded, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; returns whether the connection may be used again."""
        wire = _FORMATS.get(request.path)
        if wire is None:
            return await _send(writer, 404, b'{"error": {"message": "no such path"}}', {})
        reply = self._next(request)
        await asyncio.sleep(reply.delay)
        if isinstance(reply, Fault):
            return await _send(writer, reply.status, wire.error_body(reply), reply.headers)
        return await _stream(writer, _script(reply, wire, str(request.body.get("model"))), reply)

    def _next(self, request: Recorded) -> Reply | Fault:
        if self._replies:
            return self._replies.popleft()
        return self._responder(request) if self._responder else Fault(500, "the test has no reply left")


def _script(reply: Reply, wire: ModuleType, model: str) -> Iterator[bytes | None]:
    """The events to send; None stands for the end of the connection."""
    for number, event in enumerate(wire.events(reply, model)):
        if number == reply.cut_after:
            yield None
        if number == reply.error_after:
            yield wire.stream_error()
            return
        yield event


async def _read_request(reader: asyncio.StreamReader) -> Recorded | None:
    """The next request of a connection, None when the client has closed it."""
    head = await reader.readline()
    if not head:
        return None
    path = head.decode().split()[1].partition("?")[0]
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Recorded(path, headers, json.loads(body or b"{}"))


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str]) -> bool:
    lines = [
        f"HTTP/1.1 {status} Test",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    return True


async def _stream(writer: asyncio.StreamWriter, script: Iterator[bytes | None], reply: Reply) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number, event in enumerate(script):
        if event is None:
            return False
        if number == reply.silent_after:
            await writer.wait_closed()
        writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()
        await asyncio.sleep(reply.delay)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True
