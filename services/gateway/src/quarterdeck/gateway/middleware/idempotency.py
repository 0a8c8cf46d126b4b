"""`Idempotency-Key`: a repeated POST gets the first one's answer.

The first successful response is kept for a day under (tenant, principal, key), with a hash
of the request. A repeat gets that response; another request under the same key is refused.
An error is not kept: the key may be used again. Starting, forking and retrying runs is different: the
runtime keeps their keys durably, in the transaction that creates the run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import grpc
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quarterdeck.common import cache as cache_keys
from quarterdeck.common import codec
from quarterdeck.common.cache import Cache
from quarterdeck.common.errors import Conflict, InvalidArgument, NotFound, QuarterdeckError
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.gateway.constants import (
    IDEMPOTENCY_HEADER,
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_KEY_LENGTH,
    KEPT_RESPONSE_BYTES,
    REPLAYED_HEADER,
)
from quarterdeck.gateway.problems import KeyReused, problem_response

_TENANT = re.compile(r"/api/v1/tenants/([^/]+)/")
_RUNTIME_KEEPS = re.compile(r"/api/v1/tenants/[^/]+/runs(/batch|/[^/]+/(fork|retry))?")
# An answer with a secret in it is kept nowhere.
_SECRET = re.compile(r"/api/v1/tenants/[^/]+/apikeys(/.*)?")
_KEPT_HEADERS = frozenset({b"content-type", b"location", b"quarterdeck-outcome"})


class InFlight(Conflict):
    """The first request under this key is still being served."""

    status = grpc.StatusCode.ABORTED


class Idempotency:
    """Keeps and repeats the responses of POST requests that carry a key."""

    def __init__(self, app: ASGIApp, cache: Cache, tenants: TenantDirectory, ttl: float) -> None:
        self._app = app
        self._cache = cache
        self._tenants = tenants
        self._ttl = ttl

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        key = Headers(scope=scope).get(IDEMPOTENCY_HEADER, "")
        if not key or _RUNTIME_KEEPS.fullmatch(scope["path"]) or _SECRET.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            await self._once(key, scope, receive, send)
        except QuarterdeckError as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
            await response(scope, receive, send)

    async def _once(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        check_key(key)
        try:
            name = await self._name(key, scope)
        except NotFound:  # which tenants there are is told to those who may know, further in
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        fingerprint = _fingerprint(scope, body)
        kept = await self._cache.get(name)
        if kept is not None:
            await _repeat(codec.loads(kept), fingerprint)(scope, receive, send)
            return
        lock = f"{name}:lock"
        if await self._cache.increment(lock, IDEMPOTENCY_IN_FLIGHT) > 1:
            raise InFlight(
                "a request with this Idempotency-Key is being served", hint="try again", retry_after=1
            )
        recorder = _Recorder(send)
        try:
            await self._app(scope, once_more(body, receive), recorder.send)
        finally:
            await self._keep(name, recorder, fingerprint)
            await self._cache.delete(lock)

    async def _name(self, key: str, scope: Scope) -> str:
        found = _TENANT.match(scope["path"])
        tenant_id = (await self._tenants.resolve(found[1])).id if found else "platform"
        principal = scope.get("qd.principal")
        # What a key of the platform is narrowed to belongs to who it is: what one got, the other may not see.
        narrowed = " ".join(map(str, principal.scopes)) if principal is not None else ""
        subject = f"{principal.subject}\0{narrowed}" if principal is not None else ""
        digest = hashlib.sha256(f"{subject}\0{key}".encode()).hexdigest()
        return cache_keys.key(tenant_id, "idempotency", digest)

    async def _keep(self, name: str, recorder: _Recorder, fingerprint: str) -> None:
        record = recorder.record(fingerprint)
        if record is not None:
            await self._cache.set(name, codec.dumps(record), self._ttl)


def check_key(key: str) -> None:
    """Raises InvalidArgument unless `key` can be an idempotency key."""
    if len(key) > IDEMPOTENCY_KEY_LENGTH or not key.isprintable():
        raise InvalidArgument(
            f"an Idempotency-Key has at most {IDEMPOTENCY_KEY_LENGTH} printable characters",
            field=IDEMPOTENCY_HEADER,
            hint="a UUID does well",
        )


def _fingerprint(scope: Scope, body: bytes) -> str:
    request = b"\0".join((scope["path"].encode(), scope.get("query_string", b""), body))
    return hashlib.sha256(request).hexdigest()


def _repeat(kept: dict[str, Any], fingerprint: str) -> Response:
    """Returns the kept response. Raises KeyReused if it answered another request."""
    if kept["request"] != fingerprint:
        raise KeyReused(
            "this Idempotency-Key was used for a different request",
            field=IDEMPOTENCY_HEADER,
            hint="use a new key for each new request",
            reason="IdempotencyKeyReused",
        )
    if kept["body"] is None:
        raise Conflict(
            "this request was served; its response was too large to be kept",
            field=IDEMPOTENCY_HEADER,
            reason="ResponseNotKept",
        )
    response = Response(base64.b64decode(kept["body"]), kept["status"], dict(kept["headers"]))
    response.headers[REPLAYED_HEADER] = "true"
    return response


async def read_body(receive: Receive) -> bytes:
    """Reads the whole body; its size is bounded by `BodyLimit`."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def once_more(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body again, then what the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class _Recorder:
    """Passes a response on and remembers it, up to a size."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body: bytearray | None = bytearray()
        self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
                if name.lower() in _KEPT_HEADERS
            ]
        else:
            self._add(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def _add(self, chunk: bytes) -> None:
        if self._body is None or len(self._body) + len(chunk) > KEPT_RESPONSE_BYTES:
            self._body = None
        else:
            self._body += chunk

    def record(self, fingerprint: str) -> dict[str, Any] | None:
        """Returns what to keep; None for an error or a response that was cut off."""
        if not self._complete or self._status >= 400:
            return None
        body = None if self._body is None else base64.b64encode(bytes(self._body)).decode()
        return {"request": fingerprint, "status": self._status, "headers": self._headers, "body": body}
