"""Exchanges and queues: their names and arguments, and how they are declared.

<namespace>            topic exchange that everything is published to
<namespace>.<group>.<topic>   quorum queue of a group; its dead letters go to
<namespace>.dead       fan-out exchange and the quorum queue behind it
<namespace>.own.<id>   exclusive queue of one subscription; ends with its connection
"""

from __future__ import annotations

from typing import Any

from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from quarterdeck.common.bus.delivery import OWN_QUEUE_LIMIT
from quarterdeck.common.bus.rabbitmq.settings import RabbitSettings

# Reading a dead letter counts as a delivery; nobody reads it so often.
_READ_LIMIT = 1_000_000


def group_queue(settings: RabbitSettings, group: str, topic: str) -> str:
    """Returns the name of a group's queue."""
    return f"{settings.namespace}.{group}.{binding_key(topic)}"


def dead_name(settings: RabbitSettings) -> str:
    """Returns the name of the exchange and of the queue of dead letters."""
    return f"{settings.namespace}.dead"


def binding_key(pattern: str) -> str:
    """Returns the broker's pattern for one of ours."""
    return pattern[:-1] + "#" if pattern.endswith(".*") else pattern


def group_arguments(settings: RabbitSettings) -> dict[str, Any]:
    """Returns a group's queue's arguments. What it gives up leaves it only when the dead letter is kept."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": settings.delivery_limit,
        "x-dead-letter-exchange": dead_name(settings),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": settings.queue_limit,
    }


def dead_arguments(settings: RabbitSettings) -> dict[str, Any]:
    """Returns the arguments of the queue of dead letters."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": _READ_LIMIT,
        "x-max-length": settings.queue_limit,
    }


OWN_ARGUMENTS: dict[str, Any] = {"x-queue-type": "classic", "x-max-length": OWN_QUEUE_LIMIT}


async def declare_exchange(channel: AbstractChannel, settings: RabbitSettings) -> AbstractExchange:
    """Declares what is published to."""
    return await channel.declare_exchange(settings.namespace, "topic", durable=True)


async def declare_dead(channel: AbstractChannel, settings: RabbitSettings) -> AbstractQueue:
    """Declares where dead letters go."""
    name = dead_name(settings)
    await channel.declare_exchange(name, "fanout", durable=True)
    queue = await channel.declare_queue(name, durable=True, arguments=dead_arguments(settings))
    await queue.bind(name, "")
    return queue
