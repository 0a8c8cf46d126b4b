"""What a RabbitMQ URL says about the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from quarterdeck.common.bus.delivery import DELIVERY_LIMIT, QUEUE_LIMIT
from quarterdeck.common.errors import InvalidArgument


@dataclass(frozen=True)
class RabbitSettings:
    """Parameters of the URL that are the bus's own; others (`cafile`, `heartbeat`…) are the connection's.

    Args:
        namespace: first part of the names of exchanges and queues.
        publish_timeout: seconds that a publisher waits for the broker.
        prefetch: messages that one subscription holds at most.
        delivery_limit, queue_limit: see `DeliveryRules`.
    """

    namespace: str = "quarterdeck"
    publish_timeout: float = 5.0
    prefetch: int = 64
    delivery_limit: int = DELIVERY_LIMIT
    queue_limit: int = QUEUE_LIMIT


def read_url(url: str) -> tuple[str, RabbitSettings]:
    """Returns the URL without the bus's own parameters, and these. Raises InvalidArgument."""
    parts = urlsplit(url)
    types: dict[str, Callable[[str], Any]] = {
        field.name: type(field.default) for field in fields(RabbitSettings)
    }
    given = dict(parse_qsl(parts.query))
    try:
        own = {name: types[name](value) for name, value in given.items() if name in types}
    except ValueError as error:
        raise InvalidArgument(f"a parameter of the bus URL is wrong: {error}", field="bus_url") from error
    rest = {name: value for name, value in given.items() if name not in types}
    # A dead connection is noticed after three of these seconds.
    rest.setdefault("heartbeat", "10")
    return urlunsplit(parts._replace(query=urlencode(rest))), RabbitSettings(**own)
