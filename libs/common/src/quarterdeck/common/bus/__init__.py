"""The message bus: wake-ups and events. Truth is never in it.

Delivery is at least once and in no promised order; every subscriber must stand a lost, doubled or
reordered message. An adapter is chosen by URL: `memory://` or `amqp://…` (RabbitMQ).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from quarterdeck.common.bus.in_process import FaultPlan, InProcessBus
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import Bus, DeadLetter, Handler, Subscription
from quarterdeck.common.bus.message import Message
from quarterdeck.common.errors import Unavailable

__all__ = [
    "Bus",
    "DeadLetter",
    "FaultPlan",
    "Handler",
    "InProcessBus",
    "Message",
    "Subscription",
    "open_bus",
]


def open_bus(url: str, registry: CollectorRegistry | None = None) -> Bus:
    """Opens the bus at `url`: `memory://` is the one in this process, `amqp://` and `amqps://` are RabbitMQ.

    Nothing is connected yet: a broker that is away keeps nobody from starting.
    """
    scheme = url.split("://", 1)[0]
    if scheme == "memory":
        return InProcessBus(instruments=BusInstruments(registry))
    if scheme in {"amqp", "amqps"}:
        from quarterdeck.common.bus.rabbitmq import RabbitBus

        return RabbitBus(url, BusInstruments(registry))
    raise Unavailable(f"no adapter for the bus URL {scheme}://…", field="bus_url")
