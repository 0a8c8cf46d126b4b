"""Server-sent events: from an asynchronous iterator to a response that leaks nothing.

Written here because a stream must end when *this* service stops (its client comes back with
`Last-Event-ID`), and not with the process; and because an error that comes before the first
event must still have a status of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quarterdeck.common import codec
from quarterdeck.common.errors import Internal, QuarterdeckError
from quarterdeck.gateway.constants import EVENT_STREAM, STREAM_PATIENCE
from quarterdeck.gateway.problems import problem

log = structlog.get_logger("gateway")

HEARTBEAT = b": heartbeat\n\n"
# Browsers come back after this many milliseconds.
OPENING = b"retry: 1000\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def frame(data: bytes, *, event: str = "", id: str = "") -> bytes:
    """Returns one event. `data` is JSON; a line break inside it becomes a line of its own."""
    head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
    body = b"".join(b"data: " + line + b"\n" for line in data.splitlines() or [b""])
    return head.encode() + body + b"\n"


def error_frame(error: QuarterdeckError, instance: str) -> bytes:
    """Returns the event that ends a stream which failed half-way."""
    return frame(codec.dumps(problem(error, instance)), event="error")


class EventStream(Response):
    """A response that sends what an iterator yields until it ends, the client leaves or we stop.

    Args:
        frames: encoded events. It is closed in every case, which cancels the call behind it.
        first: the task that waits for the first of them.
        closing: set when the service stops.
        heartbeat: seconds of silence after which a comment is sent.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        first: asyncio.Task[bytes | None],
        closing: asyncio.Event,
        heartbeat: float,
    ) -> None:
        super().__init__(headers=_HEADERS, media_type=EVENT_STREAM)
        del self.headers["content-length"]
        self._frames = frames
        self._first = first
        self._closing = closing
        self._heartbeat = heartbeat
        self._last_sent = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the response."""
        ends: list[asyncio.Task[Any]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send(send, OPENING)
            pump = asyncio.create_task(self._pump(scope["path"], send), name="sse-pump")
            ends += [
                pump,
                asyncio.create_task(_disconnected(receive), name="sse-disconnect"),
                asyncio.create_task(self._closing.wait(), name="sse-closing"),
            ]
            await self._until_one_ends(ends, send)
            if pump.done():
                pump.result()
            await _stop([pump])
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await _stop(ends)
            await discard(self._frames, self._first)

    async def _until_one_ends(self, ends: list[asyncio.Task[Any]], send: Send) -> None:
        """Waits, and sends a comment whenever nothing was sent for long: one timer, however many events."""
        loop = asyncio.get_running_loop()
        while True:
            left = self._last_sent + self._heartbeat - loop.time()
            if left <= 0:
                await self._send(send, HEARTBEAT)
                left = self._heartbeat
            done, _ = await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return

    async def _pump(self, path: str, send: Send) -> None:
        """Sends frame after frame, in this one task: a task for each would cost more than the frame."""
        async for data in self._all(path):
            await self._send(send, data)

    async def _all(self, path: str) -> AsyncIterator[bytes]:
        """Yields the frames, and one more if they end by an error: the status is out already."""
        try:
            data = await self._first
            while data is not None:
                yield data
                data = await anext(self._frames, None)
        except QuarterdeckError as error:
            yield error_frame(error, path)
        except Exception as error:
            log.error("stream.failed", path=path, exc_info=error)
            yield error_frame(Internal("the stream failed"), path)

    async def _send(self, send: Send, data: bytes) -> None:
        self._last_sent = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": data, "more_body": True})


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _next(frames: AsyncIterator[bytes]) -> bytes | None:
    """Returns the next frame, None at the end."""
    return await anext(frames, None)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def discard(frames: AsyncIterator[bytes], waiting: asyncio.Task[bytes | None]) -> None:
    """Cancels what waits for the next frame, then closes the iterator."""
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await waiting
    close = getattr(frames, "aclose", None)
    if close is not None:
        await close()


async def event_stream(request: Request, frames: AsyncIterator[bytes]) -> EventStream:
    """Opens a stream. An error within a moment is raised here, so that it gets its own status."""
    first = asyncio.create_task(_next(frames), name="sse-first")
    try:
        await asyncio.wait({first}, timeout=STREAM_PATIENCE)
        if first.done() and first.exception() is not None:
            raise first.exception() or Internal("the stream failed")
    except BaseException:
        await discard(frames, first)
        raise
    state = request.app.state
    return EventStream(frames, first, state.closing, state.settings.heartbeat)
