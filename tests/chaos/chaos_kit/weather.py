"""What the faults of a campaign work on, and what they leave on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from chaos_kit.database import Database
from chaos_kit.deployment import Deployment
from chaos_kit.judging import Death
from chaos_kit.packets import Packets
from chaos_kit.proxy import Proxy
from chaos_kit.standstills import Span
from chaos_kit.takeovers import TakeOvers
from hack.services import RabbitMQ
from hack.services.server import Server
from quarterdeck.runtime.constants import LEASE_SECONDS

# Longer than a worker's lease: somebody else has its runs when it wakes.
FREEZE_SECONDS = LEASE_SECONDS + 3.0
OUTAGE_SECONDS = 3.0


@dataclass(slots=True)
class Weather:
    """Everything a fault may need, and what has happened so far.

    Attributes:
        packets: None: this campaign has no network namespace of its own, and drops none.
        counts: how often each fault happened.
        seen: what proves that a fault took hold, counted.
        deaths: of mcp-manager and its tools.
        spans: faults other than kills, and when they were there.
        loads: the machine's load average at each fault.
    """

    deployment: Deployment
    proxy: Proxy
    postgres: Server
    broker: RabbitMQ
    redis: Server
    database: Database
    take_overs: TakeOvers
    chance: Random
    packets: Packets | None = None
    counts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    deaths: list[Death] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)


class Fault(Protocol):
    """Lets something happen; returns when the cause is gone again."""

    def __call__(self, weather: Weather) -> None: ...
