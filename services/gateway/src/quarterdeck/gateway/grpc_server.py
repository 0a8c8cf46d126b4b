"""gRPC at the door: every public RPC as bytes, plus health and reflection."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from quarterdeck.common.errors import InvalidArgument, QuarterdeckError, Unavailable
from quarterdeck.common.rpc_errors import DETAILS_KEY, to_trailers
from quarterdeck.common.rpc_repeats import reads, repeating
from quarterdeck.common.rpc_server import OPEN_SERVICES, SERVER_OPTIONS
from quarterdeck.common.service import Platform
from quarterdeck.gateway.authentication import Authenticator, become
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import FORWARDED_FOR_HEADER, LONGEST_CALL
from quarterdeck.gateway.edges.addresses import address_of_peer, client_address
from quarterdeck.gateway.edges.limits import RateLimited
from quarterdeck.gateway.edges.opening import Rates
from quarterdeck.gateway.edges.rate_headers import rate_headers
from quarterdeck.gateway.http_server import cannot_listen
from quarterdeck.gateway.methods import OWNERS, Method, method_table
from quarterdeck.gateway.proto_fields import speak_proto
from quarterdeck.gateway.upstream import Upstream, explain

# What a peer's transport adds by itself, or what only concerns one hop.
_HOP_BY_HOP = frozenset({"content-type", "user-agent", "te", "grpc-accept-encoding"})
_REPLACED = _HOP_BY_HOP | {DETAILS_KEY}


class PublicRpcs(grpc.GenericRpcHandler):
    """Serves every RPC that its contract marks as public, by passing its bytes on.

    The request is read once, for authorisation needs to know the tenant and the kind; what
    is forwarded are the bytes that came, so a newer client's fields survive.
    """

    def __init__(
        self, platform: Platform, authenticator: Authenticator, upstream: Upstream, rates: Rates
    ) -> None:
        self._platform = platform
        self._authenticator = authenticator
        self._upstream = upstream
        self._rates = rates
        self._open: set[Any] = set()
        self._closing = False
        self._handlers = {
            path: self._handler(method)
            for path, method in method_table().items()
            if method.requirement.public
        }

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of a method, None (UNIMPLEMENTED) for what is not public."""
        return self._handlers.get(handler_call_details.method)

    def end_streams(self) -> None:
        """Ends every stream at once; their clients come back, to us or to another replica."""
        self._closing = True
        for call in list(self._open):
            call.cancel()

    def _handler(self, method: Method) -> Any:
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(self._stream(method))
        return grpc.unary_unary_rpc_method_handler(self._unary(method))

    def _unary(self, method: Method) -> Any:
        async def call(request: bytes, context: Any) -> bytes:
            began = time.perf_counter()
            try:
                read = await self._admit(method, request, context)
                response = await self._ask(method, request, read, context)
            except (grpc.aio.AioRpcError, QuarterdeckError) as error:
                await self._abort(method, context, error, began)
            self._count(method, "OK", began)
            return response

        return call

    async def _ask(self, method: Method, request: bytes, read: Any, context: Any) -> bytes:
        peer = self._platform.peer(method.owner)
        await peer.reconnected()
        invoke: Any = peer.channel.unary_unary(method.path)
        response: bytes = await repeating(
            lambda: invoke(request, timeout=_time_for(context), metadata=peer.metadata(read)),
            repeat=reads(method.path),
        )
        if not reads(method.path):
            await self._upstream.settled(method, read, method.response.FromString(response))
        return response

    def _stream(self, method: Method) -> Any:
        async def call(request: bytes, context: Any) -> AsyncIterator[bytes]:
            began = time.perf_counter()
            upstream: Any = None
            try:
                read = await self._admit(method, request, context)
                peer = self._platform.peer(method.owner)
                invoke: Any = peer.channel.unary_stream(method.path)
                metadata = peer.metadata(read)
                upstream = invoke(request, timeout=context.time_remaining(), metadata=metadata)
                self._open.add(upstream)
                async with self._upstream.standing(method, read, upstream):
                    async for response in upstream:
                        yield response
            except asyncio.CancelledError:
                if not self._closing:
                    raise
                ending = Unavailable("the gateway stops", hint="call again", retry_after=1)
                await self._abort(method, context, ending, began)
            except (grpc.aio.AioRpcError, QuarterdeckError) as error:
                await self._abort(method, context, error, began)
            finally:
                if upstream is not None:
                    self._open.discard(upstream)
                    upstream.cancel()
            self._count(method, "OK", began)

        return call

    async def _admit(self, method: Method, request: bytes, context: Any) -> Any:
        """Lets a call in, and returns its request as it was read."""
        metadata = dict(context.invocation_metadata() or ())
        given = str(metadata.get("authorization", ""))
        look = self._authenticator.authenticate
        principal = await self._rates.proofs.prove(self._address(metadata, context), given, look)
        become(principal, partial(look, given))
        read = _parsed(method, request)
        await self._rates.limits.take(principal, str(getattr(read, "tenant", "")))
        await self._upstream.admit(principal, method, read)
        return read

    def _address(self, metadata: dict[str, Any], context: Any) -> str:
        forwarded = str(metadata.get(FORWARDED_FOR_HEADER.lower(), ""))
        return client_address(address_of_peer(context.peer()), forwarded, self._rates.trusted)

    async def _abort(
        self, method: Method, context: Any, error: grpc.aio.AioRpcError | QuarterdeckError, began: float
    ) -> None:
        """Ends the call with the error; what the owner said goes through, in the words of the contract."""
        if isinstance(error, grpc.aio.AioRpcError):
            ours = explain(error, method.owner)
            kept = [(k, v) for k, v in error.trailing_metadata() or () if k not in _REPLACED]
        else:
            ours, kept = error, _standing(error)
        self._count(method, ours.status.name, began)
        context.set_trailing_metadata((*kept, *to_trailers(speak_proto(ours, method.request.DESCRIPTOR))))
        await context.abort(ours.status, ours.message)

    def _count(self, method: Method, code: str, began: float) -> None:
        telemetry = self._platform.telemetry
        telemetry.rpcs.labels(method.path, code).inc()
        telemetry.rpc_seconds.labels(method.path).observe(time.perf_counter() - began)


def _time_for(context: Any) -> float:
    """Returns the seconds that a unary call may take: what its caller gives it, else what we do."""
    given: float | None = context.time_remaining()
    return LONGEST_CALL if given is None else given


def _standing(error: QuarterdeckError) -> list[tuple[str, str | bytes]]:
    """Returns the trailing metadata that says how allowances stand; that of REST, in small letters."""
    if not isinstance(error, RateLimited):
        return []
    return [(name.lower(), value) for name, value in rate_headers(error.taken).items()]


def _parsed(method: Method, request: bytes) -> Any:
    try:
        return method.request.FromString(request)
    except DecodeError as error:
        raise InvalidArgument(f"the request is not a {method.request.DESCRIPTOR.full_name}") from error


class GrpcServer:
    """The gRPC port."""

    def __init__(self, rpcs: PublicRpcs, settings: GatewaySettings) -> None:
        from grpc_health.v1 import health, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection

        self._settings = settings
        self._rpcs = rpcs
        self.port = 0
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self._server.add_generic_rpc_handlers((rpcs,))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*(f"quarterdeck.v1.{name}" for name in OWNERS), *OPEN_SERVICES[:2]]
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> None:
        """Listens. Raises Unavailable with the port and what to do if it cannot."""
        from grpc_health.v1 import health_pb2

        host, port = self._settings.host, self._settings.grpc_port
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(target)
        except RuntimeError as error:
            reason = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            raise cannot_listen(host, port, "QD_GATEWAY_GRPC_PORT", reason) from error
        await self._server.start()
        serving = health_pb2.HealthCheckResponse.SERVING
        for name in ("", *(f"quarterdeck.v1.{name}" for name in OWNERS)):
            await self._health.set(name, serving)

    async def stop(self, grace: float) -> None:
        """Refuses new calls; those in flight have `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        self._rpcs.end_streams()
        await self._server.stop(grace)
