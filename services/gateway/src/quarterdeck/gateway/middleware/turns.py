"""A few requests begin in each turn of the event loop.

What a request does before it first waits (headers, token, route, body) takes some tenths of a millisecond. A
thousand that come at once, as streams do after a restart, would together hold the loop for as long as all of
that takes, and every open stream with it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

# Requests that begin in one turn.
MOST = 16


class Turns:
    """Lets requests begin in the order of their coming, `MOST` of them in a turn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun = 0
        self._counting = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http":
            await self._turn()
        await self._app(scope, receive, send)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._counting:
            self._counting = True
            loop.call_soon(self._next_turn, loop)
        if self._begun < MOST and not self._waiting:
            self._begun += 1
            return
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        await place

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = 0
        while self._waiting and self._begun < MOST:
            place = self._waiting.popleft()
            if not place.done():  # else its client has gone
                place.set_result(None)
                self._begun += 1
        self._counting = bool(self._begun)
        if self._counting:
            loop.call_soon(self._next_turn, loop)
