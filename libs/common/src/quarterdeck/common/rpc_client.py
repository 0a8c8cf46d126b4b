"""Channels to the other services: identity, principal, trace and our errors on every call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import grpc

from quarterdeck.common.constants import (
    HOLDER_HEADER,
    KEEPALIVE_OPTIONS,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    TRACE_HEADER,
    WORKLOAD_HEADER,
)
from quarterdeck.common.identity import Principal
from quarterdeck.common.proofs.holders import Holder, principal_of
from quarterdeck.common.proofs.signing import WorkloadIdentity
from quarterdeck.common.rpc_errors import from_rpc_error
from quarterdeck.common.rpc_repeats import only_reads, repeating
from quarterdeck.common.tracing import current_traceparent
from quarterdeck.common.transport.wires import Plain, Wire

CLIENT_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.enable_retries", 0),
    ("grpc.dns_min_time_between_resolutions_ms", 10_000),
    # A peer that is back is found within a second; gRPC's own back-off grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    *KEEPALIVE_OPTIONS,
)
# For an address that may name several replicas: dns:///name, or ipv4:host:port,host:port.
SHARED_OPTIONS = (("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),)

# How long a call waits for a peer that cannot be reached just now, in seconds: services start and are
# replaced in any order, and a call that was never sent may wait without harm.
RECONNECT_SECONDS = 2.0
UNREACHABLE = grpc.ChannelConnectivity.TRANSIENT_FAILURE
REACHED = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN)

_acting_for: ContextVar[Holder | None] = ContextVar("quarterdeck_acting_for", default=None)


def tenant_of(request: Any) -> str:
    """Returns the tenant that a request is about; "" for what belongs to none."""
    return str(getattr(request, "tenant", ""))


def act_for(holder: Holder | None) -> None:
    """Names whom this task's calls are made for: a principal, or a run; None: the service itself."""
    _acting_for.set(holder)


def acting_for() -> Principal | None:
    """Returns the principal that this task's calls are made for; None: the service itself."""
    return principal_of(_acting_for.get())


def call_metadata(identity: WorkloadIdentity, audience: str, tenant: str) -> list[tuple[str, str]]:
    """Returns the metadata of one call about a tenant: both proofs, and where it stands in a trace."""
    metadata = [(WORKLOAD_HEADER, f"Bearer {identity.token(audience)}")]
    holder = _acting_for.get()
    if holder is not None and not (isinstance(holder, Principal) and holder.is_service):
        metadata.append((HOLDER_HEADER, identity.token_for(holder, audience, tenant)))
    trace = current_traceparent()
    if trace:
        metadata.append((TRACE_HEADER, trace))
    return metadata


class Peer:
    """A channel to one service.

    `call(stub.Method, request)` raises our errors instead of gRPC's; `stream` likewise.
    """

    def __init__(
        self, service: str, address: str, identity: WorkloadIdentity, wire: Wire | None = None
    ) -> None:
        self.service = service
        self._identity = identity
        options = CLIENT_OPTIONS + (SHARED_OPTIONS if address.startswith(("dns:", "ipv4:", "ipv6:")) else ())
        self.channel = (wire or Plain()).channel(service, address, options)

    def stub(self, factory: Callable[[Any], Any]) -> Any:
        """Returns a stub made by a generated `…Stub` class on this channel."""
        return factory(self.channel)

    def metadata(self, request: Any) -> list[tuple[str, str]]:
        """Returns the metadata that proves to the peer who makes a request, and for whom."""
        return call_metadata(self._identity, self.service, tenant_of(request))

    async def call(
        self,
        method: Any,
        request: Any,
        timeout: float | None = 30.0,
        *,
        patience: float = RECONNECT_SECONDS,
    ) -> Any:
        """Makes a unary call. Raises QuarterdeckError.

        One that only reads, and that nobody answered, is made again a few times: another replica may.

        Args:
            timeout: seconds for each attempt; None: no limit.
            patience: seconds to wait first for a peer that is away; 0 for a caller that can do without it.
        """
        await self.reconnected(patience)
        try:
            return await repeating(
                lambda: method(request, timeout=timeout, metadata=self.metadata(request)),
                repeat=patience > 0 and only_reads(method),
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def stream(self, method: Any, request: Any, timeout: float | None = None) -> Any:
        """Makes a streaming call and yields its messages, like `call`. Raises QuarterdeckError."""
        await self.reconnected()
        call = method(request, timeout=timeout, metadata=self.metadata(request))
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()

    async def reconnected(self, patience: float = RECONNECT_SECONDS) -> None:
        """Waits while the peer cannot be reached; after `patience` the call itself tells why not."""
        if self.channel.get_state(try_to_connect=True) is not UNREACHABLE:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while (state := self.channel.get_state(try_to_connect=True)) not in REACHED:
                    await self.channel.wait_for_state_change(state)

    async def close(self) -> None:
        """Closes the channel."""
        await self.channel.close()
