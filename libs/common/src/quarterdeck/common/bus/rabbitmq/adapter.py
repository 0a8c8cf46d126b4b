"""The bus over RabbitMQ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import DeadLetter, Handler, Subscription
from quarterdeck.common.bus.message import Message, check_pattern
from quarterdeck.common.bus.rabbitmq.consumer import RabbitSubscription
from quarterdeck.common.bus.rabbitmq.graves import Graves
from quarterdeck.common.bus.rabbitmq.link import Link
from quarterdeck.common.bus.rabbitmq.publisher import Publisher
from quarterdeck.common.bus.rabbitmq.settings import read_url
from quarterdeck.common.troubles import Troubles

# How long `subscribe` waits for a broker that may be away.
ESTABLISH_SECONDS = 3.0


class RabbitBus:
    """Two connections: one to publish, one to consume, so that a blocked publisher still acknowledges."""

    def __init__(self, url: str, instruments: BusInstruments | None = None) -> None:
        address, self._settings = read_url(url)
        self._instruments = instruments or BusInstruments()
        self._troubles = Troubles("bus")
        namespace = self._settings.namespace
        self._out = Link(address, f"{namespace} publishes", self._troubles, self._instruments)
        self._in = Link(address, f"{namespace} consumes", self._troubles, self._instruments)
        self._publisher = Publisher(self._out, self._settings, self._instruments)
        self._graves = Graves(self._in, self._publisher, self._settings)
        self._subscriptions: list[RabbitSubscription] = []

    async def publish(self, message: Message) -> bool:
        """See `Bus.publish`."""
        return await self._publisher.publish(message)

    async def subscribe(
        self, topic: str, handler: Handler, *, group: str = "", concurrency: int = 1
    ) -> Subscription:
        """See `Bus.subscribe`."""
        check_pattern(topic)
        subscription = RabbitSubscription(
            self._in, self._settings, self._troubles, self._instruments, topic, handler, group, concurrency
        )
        self._subscriptions.append(subscription)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ESTABLISH_SECONDS):
                await subscription.established.wait()
        return subscription

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See `Bus.dead_letters`."""
        return await self._graves.read(limit)

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """See `Bus.replay`."""
        return await self._graves.replay(ids)

    async def check(self) -> None:
        """See `Bus.check`. Nothing is wrong with a bus that this service has had no use for yet."""
        self._troubles.check()
        if not self._in.used and not self._out.used:
            return
        self._instruments.dead_letters.set(await self._graves.depth())

    async def close(self) -> None:
        """See `Bus.close`."""
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()
        await self._in.close()
        await self._out.close()
