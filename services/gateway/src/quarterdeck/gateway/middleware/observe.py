"""Request id, span, metrics, access log and security headers of every request."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Literal

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from quarterdeck.common.errors import Internal
from quarterdeck.common.ids import uuid7
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.gateway.constants import REQUEST_ID_HEADER
from quarterdeck.gateway.problems import problem_response

_REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,128}")
_REQUEST_ID_NAME = REQUEST_ID_HEADER.lower().encode()
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
# Set unless a route says otherwise.
_DEFAULT_HEADERS: list[tuple[bytes, bytes]] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

AccessLog = Literal["all", "changes", "none"]


class Observe:
    """Gives each request an id, watches it, and answers for what nothing else caught.

    Adds to the scope: `qd.request_id`. Reads from it: `route` (the router's), `qd.route`
    (a template set by a handler) and `qd.principal`.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry, access_log: AccessLog) -> None:
        self._app = app
        self._telemetry = telemetry
        self._access_log = access_log
        self._requests = Counter(
            "http_requests_total",
            "HTTP requests served.",
            ["method", "route", "status"],
            registry=telemetry.registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to serve an HTTP request.",
            ["method", "route"],
            registry=telemetry.registry,
            buckets=_BUCKETS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        answer = _Answer(send, _request_id(headers.get(_REQUEST_ID_NAME, b"")))
        scope["qd.request_id"] = answer.request_id
        with (
            bound_contextvars(request_id=answer.request_id),
            self._telemetry.span(
                scope["method"], headers.get(b"traceparent", b"").decode("latin-1"), **_attributes(scope)
            ) as span,
        ):
            try:
                await self._app(scope, receive, answer.send)
            except asyncio.CancelledError:
                answer.status = answer.status or 499
                raise
            except Exception as error:
                await self._unexpected(error, answer, scope, receive)
            finally:
                self._finish(scope, answer.status, began, span)

    async def _unexpected(self, error: Exception, answer: _Answer, scope: Scope, receive: Receive) -> None:
        self._telemetry.log.error("http.failed", path=scope["path"], exc_info=error)
        if not answer.status:
            ours = Internal("the gateway failed to serve this request", hint="see the gateway's log")
            await problem_response(ours, scope["path"], answer.request_id)(scope, receive, answer.send)

    def _finish(self, scope: Scope, status: int, began: float, span: Any) -> None:
        seconds = time.perf_counter() - began
        route = str(scope.get("qd.route") or getattr(scope.get("route"), "path", "unmatched"))
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attributes({"http.route": route, "http.response.status_code": status})
        if self._logs(method, status, route):
            self._log(scope, status, seconds, route)

    def _logs(self, method: str, status: int, route: str) -> bool:
        if self._access_log == "none" or (status == 200 and not route.startswith("/api/")):
            return False
        return self._access_log == "all" or method not in {"GET", "HEAD"} or status >= 400

    def _log(self, scope: Scope, status: int, seconds: float, route: str) -> None:
        principal = scope.get("qd.principal")
        self._telemetry.log.info(
            "http.request",
            method=scope["method"],
            path=scope["path"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            principal=principal.subject if principal else "",
            **_names(scope, route),
        )


class _Answer:
    """The way out: remembers the status and adds the headers that every response has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(list(message.get("headers", ())))
        await self._send(message)

    def _headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name for name, _ in given}
        given.append((_REQUEST_ID_NAME, self.request_id.encode()))
        given += _SECURITY_HEADERS
        return given + [header for header in _DEFAULT_HEADERS if header[0] not in present]


def _names(scope: Scope, route: str) -> dict[str, str]:
    """Returns the tenant and the run that a request is about, by the names that every log line uses."""
    found = scope.get("path_params") or {}
    named = {"tenant": found.get("tenant"), "run_id": found.get("id") if "/runs/{id}" in route else None}
    return {name: value for name, value in named.items() if isinstance(value, str)}


def _request_id(given: bytes) -> str:
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid7()


def _attributes(scope: Scope) -> dict[str, str]:
    client = scope.get("client")
    return {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "client.address": client[0] if client else "",
    }
