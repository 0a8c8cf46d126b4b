"""What is done to a deployment, one function a fault. Each returns when the cause is gone again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping

from chaos_kit import network_faults, server_faults, tool_deaths
from chaos_kit.weather import FREEZE_SECONDS, Fault, Weather

KILL = "worker killed"


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


FAULTS: Mapping[str, Fault] = {
    KILL: kill_worker,
    "worker frozen past its lease": freeze_worker,
    "reply of a COMMIT lost": network_faults.lose_commit_replies,
    "reply of a shared append lost": network_faults.lose_shared_appends,
    "database connections cut": network_faults.cut_connections,
    "database connections stalled by the proxy": network_faults.stall_connections,
    "PostgreSQL killed": server_faults.restart_postgres,
    "RabbitMQ killed": server_faults.restart_broker,
    "RabbitMQ blocks publishers": server_faults.block_publishers,
    "Redis killed": server_faults.restart_redis,
    "Redis flushed": server_faults.flush_redis,
    "mcp-manager killed": tool_deaths.kill_manager,
    "tool server killed": tool_deaths.kill_tool,
}
# These need a network namespace of the campaign's own.
DROPS: Mapping[str, Fault] = {
    "packets to PostgreSQL dropped": network_faults.drop_database_packets,
    "packets to RabbitMQ dropped": network_faults.drop_broker_packets,
}


def possible(*, packets: bool) -> Iterable[str]:
    """Returns the names of the faults that can happen here.

    Args:
        packets: the campaign has a network namespace of its own.
    """
    return [*FAULTS, *DROPS] if packets else list(FAULTS)


def strike(weather: Weather, name: str) -> None:
    """Lets one fault happen and counts it."""
    began = time.monotonic()
    {**FAULTS, **DROPS}[name](weather)
    if name != KILL:
        weather.spans.append((name, began, time.monotonic()))
    weather.deployment.revive()
    weather.counts[name] += 1
    weather.loads.append(round(os.getloadavg()[0], 1))
