"""Counts each request of a principal, and tells it how many are left."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.gateway.edges.limits import Limits, RateLimited
from quarterdeck.gateway.edges.rate_headers import rate_headers
from quarterdeck.gateway.problems import problem_response

_TENANT = re.compile(r"/api/v1/tenants/([^/]+)")


class RateLimits:
    """Refuses with 429 what is over an allowance. Stands behind `Authenticate`; open paths pass."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        principal = scope.get("qd.principal")
        if principal is None:
            await self._app(scope, receive, send)
            return
        try:
            taken = await self._limits.take(principal, _tenant_of(scope["path"]))
        except RateLimited as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
            response.headers.update(rate_headers(error.taken))
            await response(scope, receive, send)
            return
        added = [(name.lower().encode(), value.encode()) for name, value in rate_headers(taken).items()]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive, telling if added else send)


def _tenant_of(path: str) -> str:
    found = _TENANT.match(path)
    return unquote(found[1]) if found else ""
