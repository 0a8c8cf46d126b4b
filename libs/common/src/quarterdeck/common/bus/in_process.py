"""The bus inside one process, for the embedded shape and for tests."""

from __future__ import annotations

import time
from collections.abc import Sequence

from quarterdeck.common.bus.delivery import DeliveryRules
from quarterdeck.common.bus.faults import Dice, FaultPlan
from quarterdeck.common.bus.handling import traced
from quarterdeck.common.bus.in_process_queue import Delivery, Full, InProcessSubscription, Queue
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import DeadLetter, Handler, Subscription
from quarterdeck.common.bus.message import Message, check_pattern, check_topic, label, matches
from quarterdeck.common.codec import dumps
from quarterdeck.common.errors import NotFound, Unavailable
from quarterdeck.common.ids import uuid7

__all__ = ["FaultPlan", "InProcessBus"]


class InProcessBus:
    """A bus that ends with its process. `FaultPlan` makes it lose, double and reorder messages."""

    def __init__(
        self,
        faults: FaultPlan | None = None,
        *,
        rules: DeliveryRules | None = None,
        instruments: BusInstruments | None = None,
    ) -> None:
        self._dice = Dice(faults or FaultPlan())
        self._rules = rules or DeliveryRules()
        self._instruments = instruments or BusInstruments()
        self._queues: dict[str, Queue] = {}
        self._subscriptions: set[InProcessSubscription] = set()
        self._dead: list[DeadLetter] = []

    async def publish(self, message: Message) -> bool:
        """See `Bus.publish`."""
        check_topic(message.topic)
        message = traced(message)
        topic = label(message.topic)
        self._instruments.published.labels(topic).inc()
        queues = [queue for queue in self._queues.values() if matches(queue.topic, message.topic)]
        if not queues:
            self._instruments.returned.labels(topic).inc()
            return False
        full = [queue for queue in queues if not self._put(queue, message)]
        if full:
            self._instruments.refused.labels(topic, "full").inc()
            raise Unavailable(f"the queue {full[0].name} is full", hint="start more of those who empty it")
        self._instruments.confirmed.labels(topic).inc()
        return True

    def _put(self, queue: Queue, message: Message) -> bool:
        for early in self._dice.copies():
            try:
                queue.put(Delivery(uuid7(), message), early=early)
            except Full:
                return False
        return True

    async def subscribe(
        self, topic: str, handler: Handler, *, group: str = "", concurrency: int = 1
    ) -> Subscription:
        """See `Bus.subscribe`."""
        check_pattern(topic)
        name = f"{group}.{topic}" if group else uuid7()
        queue = self._queues.setdefault(name, Queue(name, topic, shared=bool(group), rules=self._rules))
        subscription = InProcessSubscription(
            queue, handler, concurrency, self._instruments, self._bury, self._forget
        )
        self._subscriptions.add(subscription)
        return subscription

    def _forget(self, subscription: InProcessSubscription, queue: Queue) -> None:
        self._subscriptions.discard(subscription)
        if not queue.shared:
            self._queues.pop(queue.name, None)

    def _bury(self, queue: Queue, delivery: Delivery) -> None:
        message = delivery.message
        self._instruments.dead.labels(label(message.topic)).inc()
        self._dead.append(
            DeadLetter(
                id=delivery.id,
                queue=queue.name,
                topic=message.topic,
                reason="delivery_limit",
                died_at=time.time(),
                message=message,
                raw=dumps(message.data),
            )
        )
        del self._dead[: -self._rules.queue_limit]

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See `Bus.dead_letters`."""
        return self._dead[:limit]

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """See `Bus.replay`."""
        wanted = set(ids)
        chosen = [letter for letter in self._dead if letter.id in wanted and letter.message is not None]
        for letter in chosen:
            if letter.queue not in self._queues:
                raise NotFound(f"there is no queue {letter.queue}", field="id")
            assert letter.message is not None
            self._queues[letter.queue].put(Delivery(letter.id, letter.message), early=False)
            self._dead.remove(letter)
        return [letter.id for letter in chosen]

    async def check(self) -> None:
        """See `Bus.check`. It is in this process: nothing can be away."""
        self._instruments.dead_letters.set(len(self._dead))

    async def close(self) -> None:
        """See `Bus.close`."""
        for subscription in list(self._subscriptions):
            await subscription.close()
        self._queues.clear()
