"""A channel that goes over to new certificates without dropping a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

# Seconds that calls which began with the certificates before may go on.
LONGEST_CALL = 86_400.0

Open = Callable[[Any], grpc.aio.Channel]


class RenewingChannel:
    """What stubs take for a channel: calls go over one that was opened with the present material.

    When that changes, the next call opens another; the one before is closed when its calls have ended.

    Args:
        material: returns what a channel is opened with; compared by identity.
    """

    def __init__(self, material: Callable[[], Any], open_channel: Open) -> None:
        self._material = material
        self._open = open_channel
        self._with = material()
        self._present = open_channel(self._with)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def present(self) -> grpc.aio.Channel:
        """The channel for the next call."""
        material = self._material()
        if material is not self._with:
            before, self._with = self._present, material
            self._present = self._open(material)
            task = asyncio.create_task(before.close(LONGEST_CALL), name="channel-ends")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return self._present

    def unary_unary(self, method: str, *coders: Any, **options: Any) -> RenewingCall:
        """See grpc.aio.Channel."""
        return RenewingCall(self, method, lambda channel: channel.unary_unary(method, *coders, **options))

    def unary_stream(self, method: str, *coders: Any, **options: Any) -> RenewingCall:
        """See grpc.aio.Channel."""
        return RenewingCall(self, method, lambda channel: channel.unary_stream(method, *coders, **options))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """See grpc.aio.Channel."""
        return self.present.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """See grpc.aio.Channel."""
        await self._present.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """See grpc.aio.Channel."""
        await self.present.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the present channel, and those that were ending."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._present.close(grace)


class RenewingCall:
    """One RPC of a stub, on whichever channel is present when it is called."""

    def __init__(self, owner: RenewingChannel, method: str, make: Callable[[grpc.aio.Channel], Any]) -> None:
        # Where gRPC's own callables keep it, and who asks what a method is declared as looks for it.
        self._method = method.encode()
        self._owner = owner
        self._make = make
        self._channel = owner.present
        self._callable = make(self._channel)

    def __call__(self, request: Any, **options: Any) -> Any:
        """Begins the call."""
        channel = self._owner.present
        if channel is not self._channel:
            self._channel, self._callable = channel, self._make(channel)
        return self._callable(request, **options)
