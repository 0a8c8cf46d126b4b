"""A subscription over RabbitMQ: declares its queue, consumes, and does so again whenever that ends."""

from __future__ import annotations

import asyncio
import contextlib

import aio_pika.exceptions
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from quarterdeck.common.bus.delivery import CLOSE_SECONDS, retry_delay
from quarterdeck.common.bus.handling import handle
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import Handler
from quarterdeck.common.bus.message import label, matches
from quarterdeck.common.bus.rabbitmq import topology
from quarterdeck.common.bus.rabbitmq.link import Link, say
from quarterdeck.common.bus.rabbitmq.settings import RabbitSettings
from quarterdeck.common.bus.rabbitmq.wire import Foreign, decode, failures_before
from quarterdeck.common.ids import uuid7
from quarterdeck.common.troubles import Troubles

log = structlog.get_logger("bus")

PAUSE = 0.5
ANSWER_SECONDS = 10.0


class RabbitSubscription:
    """See `Subscription`."""

    def __init__(
        self,
        link: Link,
        settings: RabbitSettings,
        troubles: Troubles,
        instruments: BusInstruments,
        topic: str,
        handler: Handler,
        group: str,
        concurrency: int,
    ) -> None:
        self._link = link
        self._settings = settings
        self._troubles = troubles
        self._instruments = instruments
        self._topic = topic
        self._handler = handler
        self._group = group
        own = f"{settings.namespace}.own.{uuid7()}"
        self._name = topology.group_queue(settings, group, topic) if group else own
        self._arguments = f"{self._name} arguments"
        self._turn = asyncio.Semaphore(max(1, concurrency))
        self._closing = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()
        self._foreign_told = False
        self.established = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"bus-{topic}")

    async def _keep(self) -> None:
        while True:
            try:
                channel = await self._link.channel()
                try:
                    await self._consume(channel)
                finally:
                    await _shut(channel)
            except Exception as error:
                self._troubles.note(self._name, f"the queue {self._name} cannot be used: {say(error)}")
            self.established.clear()
            await asyncio.sleep(PAUSE)

    async def _consume(self, channel: AbstractChannel) -> None:
        """Consumes until the channel or the queue is gone."""
        ended = asyncio.Event()
        channel.close_callbacks.add(lambda *_: ended.set())
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(lambda _: ended.set())
        async with asyncio.timeout(ANSWER_SECONDS):  # a queue without a leader answers never
            await channel.set_qos(prefetch_count=self._settings.prefetch)
            queue = await self._declare(channel)
            await queue.consume(self._take)
        self._troubles.clear(self._name)
        self.established.set()
        await ended.wait()

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        exchange = await topology.declare_exchange(channel, self._settings)
        queue = await (self._declare_shared(channel) if self._group else self._declare_own(channel))
        await queue.bind(exchange, topology.binding_key(self._topic))
        return queue

    async def _declare_own(self, channel: AbstractChannel) -> AbstractQueue:
        arguments = topology.OWN_ARGUMENTS
        return await channel.declare_queue(self._name, exclusive=True, auto_delete=True, arguments=arguments)

    async def _declare_shared(self, channel: AbstractChannel) -> AbstractQueue:
        """Declares a group's queue. One of other arguments is used as it is, and that is said."""
        trial = await self._link.channel()
        try:
            await topology.declare_dead(trial, self._settings)
            arguments = topology.group_arguments(self._settings)
            await trial.declare_queue(self._name, durable=True, arguments=arguments)
            self._troubles.clear(self._arguments)
        except aio_pika.exceptions.ChannelPreconditionFailed as error:
            self._troubles.note(
                self._arguments,
                f"a queue was declared with other arguments ({say(error)}); it is used as it is: "
                "delete it when it is empty, and it is declared anew",
            )
        finally:
            await _shut(trial)
        return await channel.declare_queue(self._name, passive=True)

    async def _take(self, carried: AbstractIncomingMessage) -> None:
        """Handles a message in a task of its own: the library's is cancelled with the connection."""
        task = asyncio.create_task(self._work(carried), name=f"bus-{self._topic}-message")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, carried: AbstractIncomingMessage) -> None:
        try:
            async with self._turn:
                await self._settle(carried)
        except (aio_pika.exceptions.AMQPError, ConnectionError, RuntimeError):
            log.debug("bus.settling_failed", queue=self._name)  # its connection is gone: it comes again

    async def _settle(self, carried: AbstractIncomingMessage) -> None:
        if self._closing.is_set():
            await carried.nack(requeue=True)
            return
        try:
            message = decode(carried)
        except Foreign as error:
            await self._reject(carried, str(error))
            return
        wanted = matches(self._topic, message.topic)
        if not wanted or await handle(self._handler, message, self._instruments) or not self._group:
            await carried.ack()
            return
        await self._failed(carried, label(message.topic))

    async def _failed(self, carried: AbstractIncomingMessage, topic: str) -> None:
        """Gives a message back, later and later; the broker counts, and buries it at the limit."""
        failures = failures_before(carried) + 1
        if failures > self._settings.delivery_limit:
            self._instruments.dead.labels(topic).inc()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_delay(failures)):
                    await self._closing.wait()
        await carried.nack(requeue=True)

    async def _reject(self, carried: AbstractIncomingMessage, why: str) -> None:
        topic = label(carried.routing_key or "")
        self._instruments.handled.labels(topic, "foreign").inc()
        if self._group:
            self._instruments.dead.labels(topic).inc()
        if not self._foreign_told:
            self._foreign_told = True
            log.error(
                "bus.foreign_message",
                queue=self._name,
                routing_key=carried.routing_key,
                application=carried.app_id,
                reason=why,
                fate="a dead letter" if self._group else "dropped",
                note='said once for this queue; bus_handled_total{outcome="foreign"} counts them',
            )
        await carried.reject(requeue=False)

    async def close(self) -> None:
        """See `Subscription.close`."""
        self._closing.set()
        others = self._working - {asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._troubles.clear(self._name)
        self._troubles.clear(self._arguments)


async def _shut(channel: AbstractChannel) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await channel.close()
