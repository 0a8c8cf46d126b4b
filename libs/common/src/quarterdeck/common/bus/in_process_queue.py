"""A queue of the in-process bus and those who empty it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from quarterdeck.common.bus.delivery import CLOSE_SECONDS, OWN_QUEUE_LIMIT, DeliveryRules, retry_delay
from quarterdeck.common.bus.handling import handle
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import Handler
from quarterdeck.common.bus.message import Message


class Full(Exception):
    """A group's queue takes no more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in a queue, and how often a handler failed on it."""

    id: str
    message: Message
    failures: int = 0


class Queue:
    """Messages that wait: for one subscriber, or for a group that shares them."""

    def __init__(self, name: str, topic: str, *, shared: bool, rules: DeliveryRules) -> None:
        self.name = name
        self.topic = topic
        self.shared = shared
        self.rules = rules
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Semaphore(0)

    def put(self, delivery: Delivery, *, early: bool) -> None:
        """Adds a message. Raises Full if the queue is a group's; else the oldest makes room."""
        if self.shared and len(self._waiting) >= self.rules.queue_limit:
            raise Full
        if not self.shared and len(self._waiting) >= OWN_QUEUE_LIMIT:
            self._waiting.popleft()
        self.put_back(delivery, early=early)

    def put_back(self, delivery: Delivery, *, early: bool = False) -> None:
        """Adds a message that was in the queue before."""
        if early:
            self._waiting.appendleft(delivery)
        else:
            self._waiting.append(delivery)
        self._arrived.release()

    async def take(self) -> Delivery:
        """Returns the next message when there is one."""
        while True:
            await self._arrived.acquire()
            if self._waiting:
                return self._waiting.popleft()


class InProcessSubscription:
    """Tasks that empty a queue."""

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        concurrency: int,
        instruments: BusInstruments,
        bury: Callable[[Queue, Delivery], None],
        forget: Callable[[InProcessSubscription, Queue], None],
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._instruments = instruments
        self._bury = bury
        self._forget = forget
        self._idle: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._work(), name=f"bus-{queue.topic}") for _ in range(max(1, concurrency))
        ]

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._closing.is_set():
            self._idle.add(me)
            delivery = await self._queue.take()
            self._idle.discard(me)
            if not await handle(self._handler, delivery.message, self._instruments):
                await self._failed(delivery)

    async def _failed(self, delivery: Delivery) -> None:
        if not self._queue.shared:
            return
        failed = replace(delivery, failures=delivery.failures + 1)
        if failed.failures > self._queue.rules.delivery_limit:
            self._bury(self._queue, failed)
            return
        try:
            async with asyncio.timeout(retry_delay(failed.failures)):
                await self._closing.wait()
        except TimeoutError:
            pass
        finally:
            self._queue.put_back(failed)

    async def close(self) -> None:
        """See `Subscription.close`."""
        self._closing.set()
        self._forget(self, self._queue)
        for task in self._idle:
            task.cancel()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if others:
            _, late = await asyncio.wait(others, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
