"""Handing messages to the broker, with its confirmation."""

from __future__ import annotations

import asyncio

import aio_pika
import aio_pika.exceptions
from aio_pika.abc import AbstractChannel

from quarterdeck.common.bus.handling import traced
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.message import Message, check_topic, label
from quarterdeck.common.bus.rabbitmq.link import Link
from quarterdeck.common.bus.rabbitmq.settings import RabbitSettings
from quarterdeck.common.bus.rabbitmq.topology import declare_exchange
from quarterdeck.common.bus.rabbitmq.wire import encode
from quarterdeck.common.errors import Unavailable

RETRY_PAUSE = 0.05
# What says that the connection or the channel failed us, so that the next one may do better.
_TRY_AGAIN = (aio_pika.exceptions.AMQPError, ConnectionError, RuntimeError, Unavailable)


class _Full(Exception):
    """The broker refused a message: a queue is full."""


class Publisher:
    """Publishes on one channel; many may wait for their confirmations at once."""

    def __init__(self, link: Link, settings: RabbitSettings, instruments: BusInstruments) -> None:
        self._link = link
        self._settings = settings
        self._instruments = instruments
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()

    async def publish(self, message: Message) -> bool:
        """See `Bus.publish`."""
        check_topic(message.topic)
        self._instruments.published.labels(label(message.topic)).inc()
        return await self.send(encode(traced(message)), message.topic)

    async def send(self, carried: aio_pika.Message, topic: str, queue: str = "") -> bool:
        """Hands a message to the exchange, or straight to a queue; False when there is no queue for it.

        What a lost connection leaves unconfirmed is sent again, so that it may arrive twice.

        Raises:
            Unavailable: the broker did not take it in time, or the queue is full.
        """
        if self._link.useless_for > self._settings.publish_timeout:
            raise self._refused(topic)
        try:
            async with asyncio.timeout(self._settings.publish_timeout):
                return await self._send_at_last(carried, topic, queue)
        except TimeoutError as error:
            raise self._refused(topic) from error
        except _Full as error:
            self._instruments.refused.labels(label(topic), "full").inc()
            raise Unavailable(
                f"a queue for {topic} is full", hint="start more of those who empty it"
            ) from error

    def _refused(self, topic: str) -> Unavailable:
        self._instruments.refused.labels(label(topic), "away").inc()
        return Unavailable(self._link.why or "RabbitMQ did not confirm a message in time", retry_after=1.0)

    async def _send_at_last(self, carried: aio_pika.Message, topic: str, queue: str) -> bool:
        while True:
            try:
                return await self._send(carried, topic, queue)
            except _TRY_AGAIN:
                await asyncio.sleep(RETRY_PAUSE)

    async def _send(self, carried: aio_pika.Message, topic: str, queue: str) -> bool:
        channel = await self._open()
        exchange = await channel.get_exchange("" if queue else self._settings.namespace, ensure=False)
        try:
            await exchange.publish(carried, queue or topic, mandatory=True)
        except aio_pika.exceptions.PublishError:
            self._instruments.returned.labels(label(topic)).inc()
            return False
        except aio_pika.exceptions.DeliveryError as error:
            raise _Full from error
        self._instruments.confirmed.labels(label(topic)).inc()
        return True

    async def _open(self) -> AbstractChannel:
        """Returns an open channel, on a connection that is not blocked, when the exchange is there."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                channel = await self._link.channel(confirms=True)
                await declare_exchange(channel, self._settings)
                self._channel = channel
        await self._link.ready()
        return self._channel
