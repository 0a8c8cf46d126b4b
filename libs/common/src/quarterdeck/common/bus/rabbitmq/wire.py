"""Messages as the broker carries them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import aio_pika
from aio_pika.abc import AbstractMessage

from quarterdeck.common.bus.interface import DeadLetter
from quarterdeck.common.bus.message import Message
from quarterdeck.common.codec import dumps, loads
from quarterdeck.common.ids import uuid7

# What a message of ours says it is, and the version of its shape.
TYPE = "quarterdeck.v1"
_TOPIC = "qd-topic"
_TENANT = "qd-tenant"
_HEADER = "qd-header-"


class Foreign(Exception):
    """A message that is not one of ours."""


def encode(message: Message) -> aio_pika.Message:
    """Returns a message for the broker, under an id that stays when it is sent again."""
    return aio_pika.Message(
        dumps(message.data),
        type=TYPE,
        message_id=uuid7(),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        timestamp=time.time(),
        headers={
            _TOPIC: message.topic,
            _TENANT: message.tenant_id,
            **{_HEADER + name: value for name, value in message.headers.items()},
        },
    )


def decode(carried: AbstractMessage) -> Message:
    """Returns what a message says. Raises Foreign if it is not one of ours."""
    if carried.type != TYPE:
        raise Foreign(f"its type is {carried.type or 'not given'}, not {TYPE}")
    headers = carried.headers
    try:
        data = loads(carried.body)
    except ValueError as error:
        raise Foreign(f"its body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Foreign("its body is not a JSON object")
    return Message(
        str(headers.get(_TOPIC, "")), str(headers.get(_TENANT, "")), data, headers=_own_headers(headers)
    )


def _own_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    found = {name: value for name, value in headers.items() if name.startswith(_HEADER)}
    return {name.removeprefix(_HEADER): str(value) for name, value in found.items()}


def failures_before(carried: AbstractMessage) -> int:
    """Returns how often a delivery of it failed before, as the broker counts."""
    count = carried.headers.get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0


def letter(carried: AbstractMessage) -> DeadLetter:
    """Returns a dead letter."""
    death = _death(carried.headers)
    try:
        message = decode(carried)
    except Foreign:
        message = None
    return DeadLetter(
        id=carried.message_id or "",
        queue=str(death.get("queue", "")),
        topic=message.topic if message else _first(death.get("routing-keys")),
        reason=str(death.get("reason", "unknown")),
        died_at=death["time"].timestamp() if "time" in death else 0.0,
        message=message,
        raw=carried.body,
    )


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the broker's note of the latest death."""
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _first(keys: Any) -> str:
    return str(keys[0]) if isinstance(keys, list) and keys else ""
