"""The message bus: wake-ups and events. Truth is never in it.

Delivery is at least once and in no promised order; every subscriber must stand a lost,
doubled or reordered message. `FaultPlan` makes the in-process bus do all three.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

Handler = Callable[["Message"], Awaitable[None]]
log = structlog.get_logger("bus")

# Messages that may wait for one subscriber; past that the oldest are lost, as from a full queue.
QUEUE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a topic ("runs.ready"), the tenant's id it belongs to, and JSON-like data."""

    topic: str
    tenant_id: str
    data: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Subscription(Protocol):
    """A running subscription."""

    async def close(self) -> None:
        """Stops delivery; a handler that is running is awaited."""


class Bus(Protocol):
    """What services need of a bus."""

    async def publish(self, message: Message) -> None:
        """Hands the message over. Raises Unavailable if it cannot be taken."""

    async def subscribe(self, topic: str, handler: Handler) -> Subscription:
        """Calls `handler` for each message whose topic is `topic`, or begins with it if it ends in "*"."""

    async def close(self) -> None:
        """Ends every subscription."""


@dataclass(slots=True)
class FaultPlan:
    """How badly the in-process bus behaves: probabilities per message, from a seed."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    seed: int = 0


class InProcessBus:
    """A bus inside one process, for the embedded shape and for tests."""

    def __init__(self, faults: FaultPlan | None = None) -> None:
        self._faults = faults or FaultPlan()
        self._random = random.Random(self._faults.seed)
        self._subscriptions: list[_InProcessSubscription] = []

    async def publish(self, message: Message) -> None:
        """See `Bus.publish`."""
        for subscription in self._subscriptions:
            if subscription.wants(message.topic):
                self._deliver(subscription, message)

    def _deliver(self, subscription: _InProcessSubscription, message: Message) -> None:
        faults, roll = self._faults, self._random.random
        if faults.loss and roll() < faults.loss:
            return
        copies = 2 if faults.duplication and roll() < faults.duplication else 1
        early = bool(faults.reordering) and roll() < faults.reordering
        for _ in range(copies):
            subscription.put(message, early=early)

    async def subscribe(self, topic: str, handler: Handler) -> Subscription:
        """See `Bus.subscribe`."""
        subscription = _InProcessSubscription(topic, handler, self._subscriptions)
        self._subscriptions.append(subscription)
        return subscription

    async def close(self) -> None:
        """See `Bus.close`."""
        for subscription in list(self._subscriptions):
            await subscription.close()


class _InProcessSubscription:
    """A queue and the task that empties it."""

    def __init__(self, topic: str, handler: Handler, registry: list[_InProcessSubscription]) -> None:
        self._topic = topic
        self._handler = handler
        self._registry = registry
        self._waiting: list[Message] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"bus-{topic}")

    def wants(self, topic: str) -> bool:
        if self._topic.endswith("*"):
            return topic.startswith(self._topic[:-1])
        return topic == self._topic

    def put(self, message: Message, *, early: bool) -> None:
        if len(self._waiting) >= QUEUE_LIMIT:
            del self._waiting[0]
        self._waiting.insert(0 if early else len(self._waiting), message)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            for message in batch:
                await self._handle(message)

    async def _handle(self, message: Message) -> None:
        try:
            await self._handler(message)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("bus.handler_failed", topic=message.topic, tenant_id=message.tenant_id)

    async def close(self) -> None:
        if self in self._registry:
            self._registry.remove(self)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def open_bus(url: str) -> Bus:
    """Opens the bus at `url`: `memory://` is the one in this process."""
    if url.startswith("memory://"):
        return InProcessBus()
    from quarterdeck.common.errors import Unavailable

    raise Unavailable(f"no adapter for the bus URL {url.split(':', 1)[0]}://…", field="bus_url")
