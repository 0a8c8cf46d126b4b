"""Refuses a body over the limit: at once when it is announced, else where the limit is crossed."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.gateway.problems import BodyTooLarge, problem_response

# A refused body is read on, and thrown away, up to here; then the connection is closed.
DISCARDED_BYTES = 64 * 1024 * 1024
DISCARD_SECONDS = 5.0


class _OverLimit(HTTPException):
    """Ends the reading of a body; an HTTPException, since frameworks let those pass."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Counts the bytes of a body as they arrive; never holds more than one chunk."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        # What has a body says so in its headers; most requests have none.
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        announced = headers.get(b"content-length", b"")
        if not announced and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        if announced.isdigit() and int(announced) > self._limit:
            await self._refuse(scope, receive, send)
            return
        read, crossed, answered = 0, False, False

        async def counted() -> Message:
            nonlocal read, crossed
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                crossed = True
                raise _OverLimit
            return message

        async def guarded(message: Message) -> None:
            nonlocal answered
            if not crossed or answered:
                answered = True
                await send(message)

        with contextlib.suppress(_OverLimit):
            await self._app(scope, counted, guarded)
        if crossed and not answered:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = BodyTooLarge(
            f"the body is larger than {self._limit} bytes",
            hint="send less, or raise QD_GATEWAY_MAX_BODY_BYTES on the gateway",
        )
        response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
        response.headers["connection"] = "close"
        await send({"type": "http.response.start", "status": 413, "headers": response.raw_headers})
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
