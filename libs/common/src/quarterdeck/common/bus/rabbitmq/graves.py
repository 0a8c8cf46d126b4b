"""Reading and replaying dead letters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aio_pika
import aio_pika.exceptions
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from quarterdeck.common.bus.interface import DeadLetter
from quarterdeck.common.bus.rabbitmq import topology
from quarterdeck.common.bus.rabbitmq.link import Link, say
from quarterdeck.common.bus.rabbitmq.publisher import Publisher
from quarterdeck.common.bus.rabbitmq.settings import RabbitSettings
from quarterdeck.common.bus.rabbitmq.wire import letter
from quarterdeck.common.errors import FailedPrecondition, Unavailable

ANSWER_SECONDS = 10.0
LOOKS = 3
LOOK_AGAIN = 0.2


class Graves:
    """The queue of dead letters, as people see it."""

    def __init__(self, link: Link, publisher: Publisher, settings: RabbitSettings) -> None:
        self._link = link
        self._publisher = publisher
        self._settings = settings

    async def read(self, limit: int) -> Sequence[DeadLetter]:
        """Returns the oldest ones. They stay: whoever reads holds them for that moment."""
        async with self._queue() as queue:
            return [letter(carried) async for carried in _first(queue, limit)]

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """Returns the chosen ones to their queues.

        Each leaves only after its queue has it, so that a crash between leaves it twice, never lost.
        """
        missing = set(ids)
        for _ in range(LOOKS):
            missing -= set(await self._replay(missing))
            if not missing:
                break
            await asyncio.sleep(LOOK_AGAIN)  # a reader who was just here gives back what it held
        return [one for one in ids if one not in missing]

    async def _replay(self, wanted: set[str]) -> list[str]:
        done: list[str] = []
        async with self._queue() as queue:
            async for carried in _first(queue, self._settings.queue_limit):
                if carried.message_id in wanted:
                    await self._return(carried)
                    done.append(carried.message_id)
                if len(done) == len(wanted):
                    break
        return done

    async def _return(self, carried: AbstractIncomingMessage) -> None:
        dead = letter(carried)
        if dead.message is None:
            raise FailedPrecondition(f"{dead.id or 'it'} is not a message of ours: it would die again")
        if not await self._publisher.send(_again(carried), dead.topic, dead.queue):
            raise FailedPrecondition(f"there is no queue {dead.queue} any more", field="id")
        await carried.ack()

    async def depth(self) -> int:
        """Returns how many there are."""
        async with self._queue() as queue:
            return queue.declaration_result.message_count or 0

    @asynccontextmanager
    async def _queue(self) -> AsyncIterator[AbstractQueue]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                channel = await self._link.channel()
                try:
                    yield await topology.declare_dead(channel, self._settings)
                finally:
                    with contextlib.suppress(aio_pika.exceptions.AMQPError, RuntimeError):
                        await channel.close()
        except TimeoutError as error:
            raise Unavailable(self._link.why or "RabbitMQ did not answer in time") from error
        except aio_pika.exceptions.AMQPError as error:
            raise Unavailable(f"dead letters cannot be read: {say(error)}") from error


async def _first(queue: AbstractQueue, limit: int) -> AsyncIterator[AbstractIncomingMessage]:
    for _ in range(limit):
        carried = await queue.get(fail=False)
        if carried is None:
            return
        yield carried


def _again(carried: AbstractIncomingMessage) -> aio_pika.Message:
    """Returns the message without what the broker noted about its lives so far."""
    headers = {name: value for name, value in carried.headers.items() if not name.startswith("x-")}
    return aio_pika.Message(
        carried.body,
        type=carried.type,
        message_id=carried.message_id,
        content_type=carried.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        timestamp=carried.timestamp,
        headers=headers,
    )
