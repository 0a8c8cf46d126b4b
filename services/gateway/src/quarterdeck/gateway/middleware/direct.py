"""Reads an object and calls a tool without the framework: the requests that are made often enough for that.

What FastAPI does around an endpoint costs more than these endpoints. Their routes are declared
among the others all the same (`routes.resources.get_object`, `routes.tools.call_tool`), for the document and
for what these leave to them.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from quarterdeck.common import codec
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.gateway.constants import JSON, TENANT_KINDS
from quarterdeck.gateway.middleware.idempotency import once_more, read_body
from quarterdeck.gateway.problems import problem_response
from quarterdeck.gateway.routes import tools
from quarterdeck.gateway.routes.common import raw
from quarterdeck.gateway.schemas.tools import CallTool
from quarterdeck.gateway.upstream import Upstream
from quarterdeck.v1 import resources_pb2

ROUTE = "/api/v1/tenants/{tenant}/{plural}/{name}"
CALL_ROUTE = "/api/v1/tenants/{tenant}/tools/{server}/{tool}/call"
_CALL = re.compile(r"/api/v1/tenants/([^/]+)/tools/([^/]+)/([^/]+)/call")
_PATH = re.compile(rf"/api/v1/tenants/([^/]+)/({'|'.join(TENANT_KINDS)})/([^/]+)")


class DirectReads:
    """Answers GET of one object of a tenant; passes everything else on."""

    def __init__(self, app: ASGIApp, upstream: Upstream) -> None:
        self._app = app
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        found = _PATH.fullmatch(scope["path"]) if scope.get("method") == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["qd.route"] = ROUTE
        tenant, plural, name = map(unquote, found.groups())
        request = resources_pb2.GetObjectRequest(tenant=tenant, kind=TENANT_KINDS[plural], name=name)
        try:
            response = raw((await self._upstream.call("RegistryService/GetObject", request)).object_json)
        except QuarterdeckError as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
        await response(scope, receive, send)


class DirectCalls:
    """Answers POST of a tool's call; passes everything else on, and a body that is not as it should be."""

    def __init__(self, app: ASGIApp, upstream: Upstream) -> None:
        self._app = app
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        found = _CALL.fullmatch(scope["path"]) if scope.get("method") == "POST" else None
        request = Request(scope)
        if found is None or not request.headers.get("content-type", "").startswith(JSON):
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        asked = _asked(body)
        if asked is None:
            await self._app(scope, once_more(body, receive), send)
            return
        tenant, server, tool = map(unquote, found.groups())
        scope["qd.route"], scope["path_params"] = CALL_ROUTE, {"tenant": tenant}
        try:
            response = await tools.made(self._upstream, request, tenant, server, tool, asked)
        except QuarterdeckError as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
        await response(scope, receive, send)


def _asked(body: bytes) -> CallTool | None:
    """Returns what is asked; None if the framework has to say what is wrong with it."""
    try:
        return CallTool.model_validate(codec.loads(body))
    except (ValueError, ValidationError):
        return None
