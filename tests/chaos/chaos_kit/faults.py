"""What is done to a deployment, one function a fault. Each returns when the cause is gone again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from chaos_kit.deployment import Deployment
from chaos_kit.proxy import Proxy
from chaos_kit.standstills import Span
from chaos_kit.takeovers import TakeOvers
from chaos_kit.wire import COMMIT, SHARED_APPEND
from hack.services.server import Server
from quarterdeck.runtime.constants import LEASE_SECONDS

# Longer than a worker's lease: somebody else has its runs when it wakes.
FREEZE_SECONDS = LEASE_SECONDS + 3.0
OUTAGE_SECONDS = 3.0
# Replies lost in one fault.
REPLIES = 5
KILL = "worker killed"


@dataclass(slots=True)
class Weather:
    """Everything a fault may need, and what has happened so far."""

    deployment: Deployment
    proxy: Proxy
    postgres: Server
    broker: Server
    redis: Server
    take_overs: TakeOvers
    chance: Random
    counts: dict[str, int] = field(default_factory=dict)
    # Unix times between which mcp-manager or its tools died, once for each death.
    deaths: list[tuple[float, float]] = field(default_factory=list)
    # Faults other than kills, and when they were there.
    spans: list[Span] = field(default_factory=list)


def kill_worker(weather: Weather) -> None:
    """A worker dies in the middle of whatever it does, and a new one takes its place.

    The others are at work then: how long runs wait for workers that start is another figure.
    """
    weather.deployment.wait_for_workers()
    name = weather.chance.choice(weather.deployment.workers)
    weather.take_overs.dies(weather.deployment.replica(name).pid)
    weather.deployment.kill_replica(name)
    weather.take_overs.follow()
    weather.deployment.restart(name)


def freeze_worker(weather: Weather) -> None:
    """A worker stands still past its lease and comes back believing that it still holds its runs."""
    name = weather.chance.choice(weather.deployment.workers)
    weather.deployment.freeze(name)
    time.sleep(FREEZE_SECONDS)
    weather.deployment.thaw(name)


def lose_commit_replies(weather: Weather) -> None:
    """Commits succeed and nobody is told."""
    _lose(weather, COMMIT)


def lose_shared_appends(weather: Weather) -> None:
    """The statement by which many runs append together takes effect, and nobody is told."""
    _lose(weather, SHARED_APPEND)


def _lose(weather: Weather, statement: str) -> None:
    faults = weather.proxy.faults
    wanted = faults.lost[statement] + REPLIES
    faults.lose[statement] = REPLIES
    deadline = time.monotonic() + 10
    while faults.lost[statement] < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    faults.lose[statement] = 0


def cut_connections(weather: Weather) -> None:
    """Every connection of the workers to PostgreSQL breaks."""
    weather.proxy.cut_all()


def half_open(weather: Weather) -> None:
    """Packets between the workers and PostgreSQL vanish; no side is told."""
    weather.proxy.freeze()
    time.sleep(FREEZE_SECONDS)
    weather.proxy.cut_all()
    weather.proxy.thaw()


def restart_postgres(weather: Weather) -> None:
    """PostgreSQL crashes and comes back."""
    weather.postgres.kill()
    time.sleep(OUTAGE_SECONDS)
    weather.postgres.start()


def restart_broker(weather: Weather) -> None:
    """RabbitMQ crashes and comes back."""
    weather.broker.kill()
    time.sleep(OUTAGE_SECONDS)
    weather.broker.start()


def lose_redis(weather: Weather) -> None:
    """Redis dies with all it holds and comes back empty."""
    weather.redis.kill()
    time.sleep(OUTAGE_SECONDS)
    weather.redis.start()


def kill_manager(weather: Weather) -> None:
    """mcp-manager dies with its tools, calls in flight among them."""
    began = time.time()
    weather.deployment.kill_one("mcp-manager")
    weather.deaths.append((began, time.time()))
    weather.deployment.restart("mcp-manager")
    weather.deployment.wait_until_healthy()


def kill_tool(weather: Weather) -> None:
    """A tool server dies; the manager lives."""
    began = time.time()
    if weather.deployment.kill_below("mcp-manager", "poster.py"):
        weather.deaths.append((began, time.time()))


FAULTS: Mapping[str, Callable[[Weather], None]] = {
    KILL: kill_worker,
    "worker frozen past its lease": freeze_worker,
    "reply of a COMMIT lost": lose_commit_replies,
    "reply of a shared append lost": lose_shared_appends,
    "database connections cut": cut_connections,
    "half-open database connections": half_open,
    "PostgreSQL killed": restart_postgres,
    "RabbitMQ killed": restart_broker,
    "Redis killed": lose_redis,
    "mcp-manager killed": kill_manager,
    "tool server killed": kill_tool,
}


def strike(weather: Weather, name: str) -> None:
    """Lets one fault happen and counts it."""
    began = time.monotonic()
    FAULTS[name](weather)
    if name != KILL:
        weather.spans.append((name, began, time.monotonic()))
    weather.deployment.revive()
    weather.counts[name] = weather.counts.get(name, 0) + 1
