"""The gRPC server of a service: one interceptor authenticates, authorises, traces and counts every RPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from structlog.contextvars import bound_contextvars

from quarterdeck.common.access import Authorizer, Requirement, requirements
from quarterdeck.common.constants import (
    HOLDER_HEADER,
    KEEPALIVE_OPTIONS,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    TRACE_HEADER,
    WORKLOAD_HEADER,
)
from quarterdeck.common.errors import Internal, QuarterdeckError
from quarterdeck.common.identity import set_current_call
from quarterdeck.common.proofs.admitting import Admission, Given
from quarterdeck.common.proofs.checking import TokenVerifier
from quarterdeck.common.rpc_client import act_for, tenant_of
from quarterdeck.common.rpc_errors import from_rpc_error, to_trailers
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.common.tracing import beneath, place_of
from quarterdeck.common.transport.wires import Plain, Wire

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.so_reuseport", 0),
    *KEEPALIVE_OPTIONS,
    # How often clients may ask; gRPC takes more than one question in five minutes for an attack.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # Under load, clients' questions come in bunches, and a connection must not be ended for them.
    ("grpc.http2.max_ping_strikes", 0),
)

# gRPC's own limits of a connection's age, which are none.
FOR_EVER_MS = 0x7FFFFFFF

# Services that need no proof and no permission: health checks and reflection.
OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
)


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each RPC's handler once and serves every call through that wrapper."""

    def __init__(
        self,
        declared: dict[str, Requirement],
        verifier: TokenVerifier,
        authorizer: Authorizer,
        telemetry: Telemetry,
    ) -> None:
        self._declared = declared
        self._admission = Admission(verifier, telemetry)
        self._authorizer = authorizer
        self._telemetry = telemetry
        self._wrapped: dict[str, Any] = {}
        self._counters: dict[tuple[str, str], tuple[Any, Any]] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Returns the wrapped handler of the method."""
        method: str = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or method.split("/")[1] in OPEN_SERVICES:
            return handler
        requirement = self._declared[method]
        wrapped = self._wrap(handler, requirement)
        self._wrapped[method] = wrapped
        return wrapped

    def _wrap(self, handler: Any, requirement: Requirement) -> Any:
        coders = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, requirement), **coders
            )
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary, requirement), **coders)

    def _unary(self, serve: Any, requirement: Requirement) -> Any:
        async def call(request: Any, context: Any) -> Any:
            began = time.perf_counter()
            metadata = dict(context.invocation_metadata() or ())
            with bound_contextvars(**_names(request)), self._span(requirement, _traceparent(metadata)):
                try:
                    await self._admit(request, metadata, requirement)
                    response = await serve(request, context)
                except asyncio.CancelledError:
                    self._count(requirement, "CANCELLED", began)
                    raise
                except Exception as error:
                    await self._abort(context, error, requirement, began)
            self._count(requirement, "OK", began)
            return response

        return call

    def _stream(self, serve: Any, requirement: Requirement) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            began = time.perf_counter()
            # Not a span of its own: a watch lasts for days.
            metadata = dict(context.invocation_metadata() or ())
            with bound_contextvars(**_names(request)), beneath(place_of(_traceparent(metadata))):
                try:
                    await self._admit(request, metadata, requirement)
                    async for response in serve(request, context):
                        yield response
                except (asyncio.CancelledError, GeneratorExit):
                    self._count(requirement, "CANCELLED", began)
                    raise
                except Exception as error:
                    await self._abort(context, error, requirement, began)
            self._count(requirement, "OK", began)

        return call

    async def _admit(self, request: Any, metadata: dict[str, Any], requirement: Requirement) -> None:
        """Authenticates and authorises."""
        given = Given(
            str(metadata.get(WORKLOAD_HEADER, "")), str(metadata.get(HOLDER_HEADER, "")), tenant_of(request)
        )
        call = self._admission.admit(given, requirement, request)
        if requirement.verb:
            await self._authorizer.authorize(
                call.principal,
                requirement.verb,
                _resource(requirement, request),
                given.tenant,
                getattr(request, "name", ""),
            )
        set_current_call(call)
        # What a service asks of others while it serves, it asks for itself unless it says otherwise.
        act_for(None)

    def _span(self, requirement: Requirement, trace: str) -> Any:
        return self._telemetry.span(requirement.method, trace, **{"rpc.system": "grpc"})

    async def _abort(self, context: Any, error: Exception, requirement: Requirement, began: float) -> None:
        ours = self._as_ours(error, requirement)
        self._count(requirement, ours.status.name, began)
        context.set_trailing_metadata(to_trailers(ours))
        await context.abort(ours.status, ours.message)

    def _as_ours(self, error: Exception, requirement: Requirement) -> QuarterdeckError:
        if isinstance(error, QuarterdeckError):
            return error
        if isinstance(error, grpc.aio.AioRpcError):
            return from_rpc_error(error)
        self._telemetry.log.error("rpc.failed", method=requirement.method, exc_info=error)
        return Internal(f"{requirement.method} failed: {type(error).__name__}", hint="see the service's log")

    def _count(self, requirement: Requirement, code: str, began: float) -> None:
        place = (requirement.method, code)
        if place not in self._counters:  # to find them by their labels costs more than to count
            self._counters[place] = (
                self._telemetry.rpcs.labels(*place),
                self._telemetry.rpc_seconds.labels(requirement.method),
            )
        calls, seconds = self._counters[place]
        calls.inc()
        seconds.observe(time.perf_counter() - began)


def _traceparent(metadata: dict[str, Any]) -> str:
    return str(metadata.get(TRACE_HEADER, ""))


def _names(request: Any) -> dict[str, str]:
    """Returns what every log line of a call names."""
    found = {"tenant": getattr(request, "tenant", ""), "run_id": getattr(request, "run_id", "")}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _resource(requirement: Requirement, request: Any) -> str:
    if not requirement.resource.startswith("*"):
        return requirement.resource
    kind = str(getattr(request, "kind", "")).lower() or "object"
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return requirement.resource.replace("*", plural, 1)


def _options(connection_age: float) -> list[tuple[str, int]]:
    age = round(connection_age * 1000) or FOR_EVER_MS
    limits = [("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", FOR_EVER_MS)]
    return [*SERVER_OPTIONS, *limits]


class RpcServer:
    """A gRPC server on one address with health, and reflection if asked for.

    Args:
        address: "unix:<path>" or "host:port".
        descriptors: the services that will be added; an RPC without an access option raises.
        connection_age: seconds after which a client is asked to connect anew; what it has under way goes on
            over the old connection until it ends. 0: never.
        wire: how it listens there; default: as it is.
    """

    def __init__(
        self,
        address: str,
        descriptors: Iterable[ServiceDescriptor],
        verifier: TokenVerifier,
        authorizer: Authorizer,
        telemetry: Telemetry,
        connection_age: float = 0.0,
        wire: Wire | None = None,
    ) -> None:
        from grpc_health.v1 import health, health_pb2_grpc

        self.address = address
        self.port = 0
        self._wire = wire or Plain()
        declared = requirements(descriptors)
        interceptor = AccessInterceptor(declared, verifier, authorizer, telemetry)
        self.grpc: grpc.aio.Server = grpc.aio.server(
            interceptors=[interceptor], options=_options(connection_age)
        )
        self.health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.grpc)

    async def start(self) -> None:
        """Listens. Raises OSError with the address if it cannot."""
        from grpc_health.v1 import health_pb2

        try:
            self.port = self._wire.listen(self.grpc, self.address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self.address}: {error}") from error
        await self.grpc.start()
        await self.health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Refuses new calls, lets those in flight end for `grace` seconds."""
        await self.health.enter_graceful_shutdown()
        await self.grpc.stop(grace)
