"""Refuses a body over the limit, at once when it is announced, else where it is crossed; and a slow one."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.gateway.problems import BodyTooLarge, BodyTooSlow, problem_response

# A refused body is read on, and thrown away, up to here; then the connection is closed.
DISCARDED_BYTES = 64 * 1024 * 1024
DISCARD_SECONDS = 5.0


class _Refused(HTTPException):
    """Ends the reading of a body; an HTTPException, since frameworks let those pass."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Counts the bytes of a body as they arrive; never holds more than one chunk.

    Args:
        limit: bytes of a body.
        seconds: that it may take to come.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        # What has a body says so in its headers; most requests have none.
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        announced = headers.get(b"content-length", b"")
        if not announced and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        if announced.isdigit() and int(announced) > self._limit:
            await _refuse(_too_large(self._limit), scope, receive, send)
            return
        body, answered = _Body(receive, self._limit, self._seconds), False

        async def guarded(message: Message) -> None:
            nonlocal answered
            if body.refused is None or answered:
                answered = True
                await send(message)

        with contextlib.suppress(_Refused):
            await self._app(scope, body.receive, guarded)
        if body.refused is not None and not answered:
            await _refuse(body.refused, scope, receive, send)


class _Body:
    """A body on its way in. `refused` is why no more of it is read."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._read = 0
        self._whole = False
        self.refused: QuarterdeckError | None = None

    async def receive(self) -> Message:
        if self._whole:  # what is left to come is the news that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.refused = _too_slow(self._seconds)
            raise _Refused from None
        self._whole = not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        if self._read > self._limit:
            self.refused = _too_large(self._limit)
            raise _Refused
        return message


def _too_large(limit: int) -> QuarterdeckError:
    return BodyTooLarge(
        f"the body is larger than {limit} bytes",
        hint="send less, or raise QD_GATEWAY_MAX_BODY_BYTES on the gateway",
    )


def _too_slow(seconds: float) -> QuarterdeckError:
    return BodyTooSlow(
        f"the body did not come within {seconds:g} s",
        hint="send less at once, or raise QD_GATEWAY_BODY_SECONDS on the gateway",
    )


async def _refuse(error: QuarterdeckError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
    response.headers["connection"] = "close"
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await _discard(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    """Reads on for a while: a connection closed under a client that still sends loses it the answer."""
    left = DISCARDED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
