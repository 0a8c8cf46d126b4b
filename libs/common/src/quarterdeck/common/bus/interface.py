"""What services need of a bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from quarterdeck.common.bus.message import Message

Handler = Callable[[Message], Awaitable[None]]


class Subscription(Protocol):
    """A running subscription."""

    async def close(self) -> None:
        """Stops delivery; a handler that is running may end, for a few seconds."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a queue gave up.

    Args:
        id: the message's own id.
        queue: the queue that gave it up, and to which `replay` returns it.
        reason: "delivery_limit" (its handler failed again and again) or "rejected" (not one of ours).
        died_at: seconds since the epoch; 0 when unknown.
        message: what it says; None when it is not one of ours.
        raw: its body.
    """

    id: str
    queue: str
    topic: str
    reason: str
    died_at: float
    message: Message | None
    raw: bytes


class Bus(Protocol):
    """What services need of a bus.

    A subscription without a group has a queue of its own that ends with it: each subscriber gets each
    message that is published while it is there (fan-out). What its handler fails on is logged and gone,
    and a subscriber that falls far behind loses the oldest: this is for hints whose loss costs little.

    Subscriptions with a group share one queue, in this and in other processes, and each message goes to
    one of them (competing consumers). The queue outlives them. What a handler fails on is delivered again,
    later and later, and after the delivery limit becomes a dead letter, which people can read and replay.

    A handler takes a message over and returns; it has `HAND_OFF_SECONDS` for that.
    """

    async def publish(self, message: Message) -> bool:
        """Hands the message over; False when there is no queue for it, so that nobody gets it.

        Waits for a bus that is away or takes nothing now, but not for long.

        Raises:
            Unavailable: it was not taken; it may still arrive.
            InvalidArgument: the topic is too long.
        """

    async def subscribe(
        self, topic: str, handler: Handler, *, group: str = "", concurrency: int = 1
    ) -> Subscription:
        """Calls `handler` for each message whose topic is `topic`, or goes on from it if that ends in ".*".

        While the bus is away this returns all the same, and delivery begins when it is back.

        Args:
            group: whose queue it is ("agent-runtime"); empty: this subscription's alone.
            concurrency: handlers that run at once; with more than one the order is lost.
        """

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Returns up to `limit` dead letters, the oldest first. Raises Unavailable."""

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """Returns dead letters to their queues; gives the ids of those it did. Raises Unavailable."""

    async def check(self) -> None:
        """Raises Unavailable with what is wrong with the bus, if anything is."""

    async def close(self) -> None:
        """Ends every subscription."""
