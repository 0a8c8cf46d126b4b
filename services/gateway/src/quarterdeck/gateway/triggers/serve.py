"""Answers the paths that triggers declare, and 404 for what nobody has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quarterdeck.common import cache as cache_keys
from quarterdeck.common import codec
from quarterdeck.common.cache import Cache
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import (
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    QuarterdeckError,
    Unavailable,
)
from quarterdeck.common.ids import uuid7
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.limits import Limits
from quarterdeck.gateway.problems import MethodNotAllowed, RouteNotFound, problem_response
from quarterdeck.gateway.routes.common import answer, call_id, upstream
from quarterdeck.gateway.translate.runs import fired
from quarterdeck.gateway.triggers.routes import DeclaredRoutes
from quarterdeck.gateway.triggers.secrets import read_secret
from quarterdeck.gateway.triggers.signature import Signed, secret_bytes, verify
from quarterdeck.gateway.triggers.table import Declared
from quarterdeck.v1 import runs_pb2


class DeclaredPaths:
    """The application behind every route of our own: what no route took comes here."""

    def __init__(
        self,
        routes: DeclaredRoutes,
        cache: Cache,
        clock: Clock,
        settings: GatewaySettings,
        secrets: Path,
        limits: Limits,
        telemetry: Telemetry,
    ) -> None:
        self._routes = routes
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._secrets = secrets
        self._vault = settings.vault()
        self._limits = limits
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        request = Request(scope, receive)
        try:
            response = await self._serve(request)
        except QuarterdeckError as error:
            response = problem_response(error, scope["path"], scope.get("qd.request_id", ""))
        await response(scope, receive, send)

    async def _serve(self, request: Request) -> Response:
        matched = self._routes.find(request.method, request.url.path)
        if matched is None:
            raise RouteNotFound(f"there is no path {request.url.path}", hint="see /docs for what there is")
        if matched.declared is None:
            raise MethodNotAllowed(request.method, matched.allowed)
        declared = matched.declared
        request.scope["qd.route"] = declared.path
        if declared.kind == "webhook":
            return await self._webhook(request, declared, matched.parameters)
        _check_running(declared)
        return await self._route(request, declared, matched.parameters)

    async def _route(self, request: Request, declared: Declared, parameters: dict[str, str]) -> Response:
        payload = await self._payload(request, parameters)
        fire_id = call_id(request, declared.tenant, declared.name) or uuid7()
        message = _fire(declared, payload, fire_id)
        started = await upstream(request).call("RuntimeService/FireTrigger", message)
        return answer(fired(started), 202)

    async def _webhook(self, request: Request, declared: Declared, parameters: dict[str, str]) -> Response:
        """Fires under the webhook's id: a sender's retry is signed anew and finds the first run.

        The very same transmission a second time is a replay, and refused.
        """
        body = await request.body()
        secret = await self._secret(declared)
        signed = verify(
            secret, request.headers, body, now=self._clock.now(), tolerance=self._tolerance(declared)
        )
        _check_running(declared)
        await self._limits.take_of_tenant(declared.tenant)
        seen = await self._refuse_replay(declared, signed)
        try:
            message = _fire(declared, await self._payload(request, parameters), signed.id)
            started = await upstream(request).call_as_gateway("RuntimeService/FireTrigger", message)
        except BaseException:
            await self._cache.delete(seen)
            raise
        return answer(fired(started), 202)

    async def _secret(self, declared: Declared) -> bytes:
        """Returns a webhook's secret. Where it should be is for our log, not for the caller."""
        try:
            reference = declared.options.get("secretRef") or {}
            kept = reference.get("secret")
            if self._vault is None or not kept:
                return read_secret(reference, declared.tenant, self._secrets)
            return secret_bytes(await self._vault.read(declared.tenant, kept["name"], kept["key"]))
        except Unavailable as error:
            self._telemetry.log.warning(
                "webhook.secret_missing", tenant=declared.tenant, trigger=declared.name, why=error.message
            )
            raise Unavailable(
                "this webhook cannot be checked now",
                hint="the gateway's log says why",
                reason=error.reason,
            ) from None

    def _tolerance(self, declared: Declared) -> float:
        from quarterdeck.resources.durations import duration_seconds

        text = declared.options.get("tolerance")
        return duration_seconds(str(text)) if text else self._settings.webhook_tolerance

    async def _refuse_replay(self, declared: Declared, signed: Signed) -> str:
        """Marks the transmission as seen and returns the mark. Raises Conflict if it was seen."""
        transmission = codec.digest([declared.name, signed.id, signed.timestamp])
        mark = cache_keys.key(declared.tenant_id, "webhook", transmission)
        if await self._cache.increment(mark, 2 * self._tolerance(declared)) > 1:
            raise Conflict(
                f"the webhook {signed.id!r} was received before",
                hint="a retry carries a timestamp and a signature of its own",
                reason="WebhookReplayed",
            )
        return mark

    async def _payload(self, request: Request, parameters: dict[str, str]) -> dict[str, Any]:
        headers = request.headers
        allowed = {name: headers[name] for name in self._settings.payload_headers if name in headers}
        query = request.query_params
        return {
            "method": request.method,
            "body": _body(await request.body(), headers.get("content-type", "")),
            "path": parameters,
            "query": {name: _one_or_all(query.getlist(name)) for name in query},
            "headers": allowed,
        }


def _check_running(declared: Declared) -> None:
    if declared.paused:
        raise FailedPrecondition(
            f"the trigger {declared.name!r} is paused",
            hint="set spec.paused to false",
            reason="TriggerPaused",
        )


def _fire(declared: Declared, payload: dict[str, Any], fire_id: str) -> runs_pb2.FireTriggerRequest:
    return runs_pb2.FireTriggerRequest(
        tenant=declared.tenant, name=declared.name, payload_json=codec.dumps(payload), fire_id=fire_id
    )


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _body(data: bytes, content_type: str) -> Any:
    """Returns the body as a value: JSON unless another type is named, else text. Raises InvalidArgument."""
    if not data:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in {"", "application/json"} or media_type.endswith("+json"):
        try:
            return codec.loads(data)
        except ValueError as error:
            raise InvalidArgument(
                f"the body is not valid JSON: {error}", field="body", reason="InvalidJson"
            ) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            "the body is neither JSON nor text", field="body", hint="send JSON, or text in UTF-8"
        ) from error
