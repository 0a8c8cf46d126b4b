"""Numbers and decisions about delivery that every adapter shares."""

from __future__ import annotations

from dataclasses import dataclass

# Seconds that a handler has to take a message over.
HAND_OFF_SECONDS = 30.0
# Seconds that handlers get to end when a subscription closes.
CLOSE_SECONDS = 5.0
# Messages that may wait for one subscriber without a group; past that the oldest are lost.
OWN_QUEUE_LIMIT = 10_000
# Failed deliveries after which one more makes a dead letter; messages that may wait in a group's queue.
DELIVERY_LIMIT = 10
QUEUE_LIMIT = 100_000

_RETRY_FIRST = 0.1
_RETRY_MOST = 5.0


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """What a group's queue does.

    Args:
        delivery_limit: failed deliveries after which one more makes a dead letter.
        queue_limit: messages that may wait; past that a publisher is refused.
    """

    delivery_limit: int = DELIVERY_LIMIT
    queue_limit: int = QUEUE_LIMIT


def retry_delay(failures: int) -> float:
    """Returns the seconds until the next delivery after so many failed ones."""
    return float(min(_RETRY_MOST, _RETRY_FIRST * 2 ** max(0, failures - 1)))
