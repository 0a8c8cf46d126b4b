"""Calls to the services behind the door, authorised before they leave it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc

from quarterdeck.common.errors import DeadlineExceeded, QuarterdeckError, Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_errors import DETAILS_KEY, from_rpc_error
from quarterdeck.common.rpc_repeats import reads, repeating
from quarterdeck.common.service import Platform
from quarterdeck.gateway.access.giving import APPLY
from quarterdeck.gateway.access.questions import manifest_of, questions
from quarterdeck.gateway.authentication import current_principal, proof_again
from quarterdeck.gateway.constants import REAUTHORIZE_SECONDS
from quarterdeck.gateway.methods import Method, method_table
from quarterdeck.gateway.standing import Standing

DEFAULT_TIMEOUT = 30.0


def explain(error: grpc.aio.AioRpcError, owner: str) -> QuarterdeckError:
    """Returns our error for a failed call; what the transport says is told in our words."""
    if any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ()):
        return from_rpc_error(error)
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return Unavailable(
            f"the service {owner} does not answer",
            hint="it may be starting; try again, or look at /health",
            reason="ServiceUnavailable",
            retry_after=1,
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"the service {owner} did not answer in time", hint="try again")
    return from_rpc_error(error)


Gift = Callable[[Principal, str, Mapping[str, Any]], None]
Allowed = Callable[[Principal, str], None]
Settle = Callable[[str, Any, Any], Awaitable[None]]


class Upstream:
    """The services behind the gateway. RPCs are named "RuntimeService/StartRun".

    Args:
        reauthorize: seconds between two looks at whether the reader of a stream may still read it.
        gift: called as `gift(principal, tenant, manifest)` before something is applied; it refuses.
        allowed: called as `allowed(principal, tenant)` after each call that was let through.
        settle: awaited as `settle(path, request, response)` before a unary call is answered.
    """

    def __init__(
        self,
        platform: Platform,
        reauthorize: float = REAUTHORIZE_SECONDS,
        settle: Settle | None = None,
        gift: Gift | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        self._platform = platform
        self._reauthorize = reauthorize
        self._settle = settle
        self._gift = gift
        self._allowed = allowed
        self._callables: dict[str, tuple[Method, Any]] = {}

    def method(self, name: str) -> Method:
        """Returns what is known about an RPC."""
        return self._callable(name)[0]

    async def admit(self, principal: Principal, method: Method, request: Any) -> None:
        """Authorises a call by what the RPC declares. Raises PermissionDenied.

        The service that is called takes our word for all that the request holds.
        """
        for asked in questions(method.requirement, request):
            await self._platform.authorizer.authorize(principal, *asked)
        if self._gift is not None and method.path == APPLY:
            self._gift(principal, request.tenant, manifest_of(request))
        if self._allowed is not None:
            self._allowed(principal, str(getattr(request, "tenant", "")))

    async def call(self, name: str, request: Any, timeout: float | None = DEFAULT_TIMEOUT) -> Any:
        """Makes a unary call for the current principal. Raises QuarterdeckError."""
        method, invoke = self._callable(name)
        await self.admit(current_principal(), method, request)
        response = await self._ask(method, invoke, request, timeout)
        await self.settled(method, request, response)
        return response

    async def settled(self, method: Method, request: Any, response: Any) -> None:
        """Waits until what a call has changed is in force here."""
        if self._settle is not None:
            await self._settle(method.path, request, response)

    async def stream(self, name: str, request: Any) -> AsyncIterator[Any]:
        """Makes a streaming call; closing the iterator cancels it.

        Raises:
            PermissionDenied: the principal may not read it, or, half-way, may not any more.
            QuarterdeckError: what the service answers.
        """
        method, invoke = self._callable(name)
        await self.admit(current_principal(), method, request)
        call = invoke(request, metadata=self._platform.peer(method.owner).metadata(request))
        try:
            async with self.standing(method, request, call):
                async for message in call:
                    yield message
        except grpc.aio.AioRpcError as error:
            raise explain(error, method.owner) from None
        finally:
            call.cancel()

    def standing(self, method: Method, request: Any, call: Any) -> Standing:
        """Returns what ends an open call once its caller's proof has ended, or its right to make it."""
        again = proof_again()

        async def check() -> None:
            await self.admit(await again(), method, request)

        return Standing(check, call.cancel, self._reauthorize)

    async def call_as_gateway(self, name: str, request: Any) -> Any:
        """Makes a unary call for nobody but the gateway itself: a webhook has no principal."""
        return await self._ask(*self._callable(name), request, DEFAULT_TIMEOUT)

    async def _ask(self, method: Method, invoke: Any, request: Any, timeout: float | None) -> Any:
        peer = self._platform.peer(method.owner)
        await peer.reconnected()
        try:
            return await repeating(
                lambda: invoke(request, timeout=timeout, metadata=peer.metadata(request)),
                repeat=reads(method.path),
            )
        except grpc.aio.AioRpcError as error:
            raise explain(error, method.owner) from None

    def _callable(self, name: str) -> tuple[Method, Any]:
        known = self._callables.get(name)
        if known is None:
            method = method_table()[f"/quarterdeck.v1.{name}"]
            channel = self._platform.peer(method.owner).channel
            factory = channel.unary_stream if method.streams else channel.unary_unary
            invoke = factory(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            known = self._callables[name] = (method, invoke)
        return known
