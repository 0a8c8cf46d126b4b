"""The simulated bus: messages that are lost, doubled and out of order, and a broker that refuses some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quarterdeck.common.bus import DeadLetter, Handler, Message
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.simulation import adversary as adv
from quarterdeck.runtime.simulation.adversary import Adversary
from quarterdeck.runtime.simulation.loop import SimulatedLoop
from quarterdeck.runtime.simulation.processes import Process


@dataclass(eq=False, slots=True)
class _Subscription:
    """Who listens to what. See `quarterdeck.common.bus.Subscription`."""

    broker: Broker
    process: Process
    topic: str
    handler: Handler

    def wants(self, topic: str) -> bool:
        """True if a message of this topic is for it."""
        if not self.process.is_alive:
            return False
        return topic.startswith(self.topic[:-1]) if self.topic.endswith("*") else topic == self.topic

    async def close(self) -> None:
        """See `Subscription.close`."""
        self.broker.subscriptions.remove(self)


class Broker:
    """What connects all processes of a seed."""

    def __init__(self, loop: SimulatedLoop, adversary: Adversary) -> None:
        self.loop = loop
        self.adversary = adversary
        self.subscriptions: list[_Subscription] = []

    def deliver(self, message: Message, fate: str) -> None:
        """Gives a message to whoever listens, as often and as late as its fate says."""
        if fate == adv.DROP:
            return
        copies = 2 if fate == adv.DOUBLE else 1
        for subscription in self.subscriptions:
            if subscription.wants(message.topic):
                for _ in range(copies):
                    late = self.adversary.long_delay() / 4 if fate == adv.DELAY else 0.0
                    self.loop.world_later(self.adversary.delay() + late, self._arrive, subscription, message)

    def _arrive(self, subscription: _Subscription, message: Message) -> None:
        self.loop.on(subscription.process, self._handle, subscription, message)

    def _handle(self, subscription: _Subscription, message: Message) -> None:
        self.loop.create_task(subscription.handler(message), name=f"on {message.topic}")


class BusHandle:
    """One process's connection to the broker. See `quarterdeck.common.bus.Bus`."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    async def publish(self, message: Message) -> bool:
        """See `Bus.publish`."""
        loop, adversary = self._broker.loop, self._broker.adversary
        if not self._process.is_alive:
            return False
        fate = adversary.message()
        answer = loop.create_future()
        refusal = Unavailable("the broker refuses", reason="Simulated") if fate == adv.REFUSE else None
        if refusal is None:
            loop.world_later(adversary.delay() / 2, self._broker.deliver, message, fate)
        loop.world_later(adversary.delay(), loop.settle, self._process, answer, refusal)
        await answer
        return True

    async def subscribe(
        self, topic: str, handler: Handler, *, group: str = "", concurrency: int = 1
    ) -> _Subscription:
        """See `Bus.subscribe`. The engine shares no queue, so there are no groups here."""
        assert not group, "the simulated broker has no shared queues"
        subscription = _Subscription(self._broker, self._process, topic, handler)
        self._broker.subscriptions.append(subscription)
        return subscription

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See `Bus.dead_letters`: without shared queues there are none."""
        return []

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """See `Bus.replay`."""
        return []

    async def check(self) -> None:
        """See `Bus.check`: the broker itself is never away here, only what it is told is lost or late."""

    async def close(self) -> None:
        """See `Bus.close`."""
        mine = [one for one in self._broker.subscriptions if one.process is self._process]
        for subscription in mine:
            await subscription.close()
