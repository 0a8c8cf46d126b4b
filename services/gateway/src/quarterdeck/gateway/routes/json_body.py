"""Bodies read by the JSON that the services read: what they would refuse does not get past the door.

Python's own parser lets through NaN and half characters (`"\\ud800"`), which have no form in UTF-8 JSON, so
that writing them down again would fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common import codec

_WHERE = re.compile(r"(.*) at line (\d+) column (\d+)", re.DOTALL)


class StrictRequest(Request):
    """A request whose body is read strictly."""

    async def json(self) -> Any:
        """Returns the body's value. Raises JSONDecodeError, which the framework reports."""
        body = await self.body()
        try:
            return codec.loads(body)
        except ValueError as error:
            raise decode_error(str(error), body) from None


class StrictRoute(APIRoute):
    """A route whose body is read strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler with the strict request in front of it."""
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return serve


def decode_error(message: str, body: bytes) -> json.JSONDecodeError:
    """Returns the parser's message, which ends with a line and column, as an error with a position."""
    found = _WHERE.fullmatch(message)
    if found is None:
        return json.JSONDecodeError(message, "", 0)
    what, line, column = found[1], int(found[2]), int(found[3])
    before = sum(len(text) + 1 for text in body.split(b"\n", line - 1)[: line - 1])
    error = json.JSONDecodeError(what, "", 0)
    error.pos = before + column
    return error
