"""Reads what a server answers to one request: a document, a stream of events, or a refusal. Bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.mcp.constants import EDGE_BODY, LOST, UNREACHABLE, UNREADABLE
from quarterdeck.mcp.direct.wire import Broken, Wire
from quarterdeck.mcp.exchange import Exchange, RequestId
from quarterdeck.mcp.framing import EDGE_BYTES, LineSplitter, Oversized

Message = dict[str, Any]
EVENTS = "text/event-stream"


@dataclass(slots=True)
class Position:
    """Where a stream is: the id of the last event, and seconds until it may be asked for again."""

    event: str = ""
    retry: float = 1.0


def media_type(wire: Wire) -> str:
    """Returns the type of an answer's body, without its parameters."""
    return wire.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")


async def document(wire: Wire, exchange: Exchange, request: RequestId) -> Message | None:
    """Returns the message of an answer that is one document; None if it holds none. Raises Broken."""
    read, tail, size = bytearray(), b"", 0
    while part := await wire.read():
        size += len(part)
        if size <= exchange.limit:
            read += part
        else:
            tail = (tail + part)[-EDGE_BYTES:]
    whole: bytes | Oversized = bytes(read)
    if size > exchange.limit:
        whole = Oversized(size, bytes(read[:EDGE_BYTES]), (bytes(read[-EDGE_BYTES:]) + tail)[-EDGE_BYTES:])
    return await _message(whole, exchange, request)


async def events(
    wire: Wire, exchange: Exchange, request: RequestId, position: Position
) -> AsyncIterator[Message]:
    """Yields the messages of a stream and notes where it is. Raises Broken."""
    lines, data = LineSplitter(exchange.limit), list[bytes | Oversized]()
    while part := await wire.read():
        for line in lines.feed(part):
            if isinstance(line, Oversized):
                data.append(Oversized(line.size, _value(line.head), line.tail))
            elif line.startswith(b"data:"):
                data.append(_value(line))
            elif line.strip():
                _note(position, line)
            elif data:
                message = await _message(_joined(data), exchange, request)
                data = []
                if message is not None:
                    yield message


def _note(position: Position, line: bytes) -> None:
    value = _value(line).decode("utf-8", "replace")
    if line.startswith(b"id:"):
        position.event = value
    elif line.startswith(b"retry:") and value.isdecimal():
        position.retry = int(value) / 1000


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].removeprefix(b" ").removesuffix(b"\r")


def _joined(data: list[bytes | Oversized]) -> bytes | Oversized:
    skipped = next((one for one in data if isinstance(one, Oversized)), None)
    return skipped or b"\n".join(one for one in data if isinstance(one, bytes))


async def _message(line: bytes | Oversized, exchange: Exchange, request: RequestId) -> Message | None:
    admitted = await exchange.admit(line, request)
    if not admitted:
        return None
    try:
        found = codec.loads(admitted)
    except ValueError as error:
        text = f"the tool server's answer is not valid JSON: {error}"
        return {"id": request, "error": {"code": UNREADABLE, "message": text}}
    return found if isinstance(found, dict) else None


async def refusal(wire: Wire, place: str) -> Message:
    """Returns the error that an error status is: the server's own if it sent one, else ours by the status."""
    body = b""
    try:
        while len(body) < EDGE_BODY and (part := await wire.read()):
            body += part
    except Broken:
        pass
    try:
        found = codec.loads(body[:EDGE_BODY])
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        return found
    code = LOST if wire.status >= 500 else UNREACHABLE
    return {"error": {"code": code, "message": f"{place} answered {wire.status}"}}
