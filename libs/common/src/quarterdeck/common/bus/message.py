"""Messages and topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.errors import InvalidArgument

# Bytes of a topic: a routing key has no more.
MAX_TOPIC = 255
# First words of topics whose second word is one of a few, and so may be a label of a metric.
_FIXED_SECOND_WORD = frozenset({"runs"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a topic ("runs.ready"), the tenant's id it belongs to, and JSON-like data."""

    topic: str
    tenant_id: str
    data: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def check_topic(topic: str) -> None:
    """Raises InvalidArgument if no message can have this topic."""
    if not topic or len(topic.encode()) > MAX_TOPIC:
        raise InvalidArgument(f"a topic has 1 to {MAX_TOPIC} bytes", field="topic")


def check_pattern(pattern: str) -> None:
    """Raises InvalidArgument if nobody can subscribe to this: a topic, or one that ends in ".*"."""
    check_topic(pattern)
    if "*" in pattern and (pattern.index("*") != len(pattern) - 1 or not pattern.endswith(".*")):
        raise InvalidArgument('a "*" stands for the rest of a topic, at its end, after a dot', field="topic")


def matches(pattern: str, topic: str) -> bool:
    """Says whether a subscription to `pattern` gets messages of `topic`."""
    return topic.startswith(pattern[:-1]) if pattern.endswith(".*") else topic == pattern


def label(topic: str) -> str:
    """Returns a topic's label in metrics: of few different values, whatever people name their events."""
    words = topic.split(".", 2)
    return ".".join(words[:2]) if words[0] in _FIXED_SECOND_WORD else words[0]
