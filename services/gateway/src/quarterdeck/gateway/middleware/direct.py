"""Reads an object without the framework: the one request that is made often enough to go without.

What FastAPI does around an endpoint costs more than this endpoint. The route is declared
among the others all the same (`routes.resources.get_object`), for the document and for what
this one leaves to it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.gateway.constants import TENANT_KINDS
from quarterdeck.gateway.problems import problem_response
from quarterdeck.gateway.routes.common import raw
from quarterdeck.gateway.upstream import Upstream
from quarterdeck.v1 import resources_pb2

ROUTE = "/api/v1/tenants/{tenant}/{plural}/{name}"
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
