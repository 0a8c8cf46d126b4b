"""Faults of PostgreSQL, RabbitMQ and Redis themselves."""

from __future__ import annotations

import time

from chaos_kit.weather import OUTAGE_SECONDS, Weather
from hack.services.server import Server, exchange

WATERMARK = "set_vm_memory_high_watermark"
# Seconds for which RabbitMQ takes no messages, and until it must have said so to a publisher.
BLOCKED_SECONDS, BLOCKS_WITHIN = 8.0, 20.0


def restart_postgres(weather: Weather) -> None:
    """PostgreSQL crashes and comes back."""
    _restart(weather.postgres)


def restart_broker(weather: Weather) -> None:
    """RabbitMQ crashes and comes back."""
    _restart(weather.broker)


def restart_redis(weather: Weather) -> None:
    """Redis dies with all it holds and comes back empty."""
    _restart(weather.redis)


def _restart(server: Server) -> None:
    server.kill()
    time.sleep(OUTAGE_SECONDS)
    server.start()


def flush_redis(weather: Weather) -> None:
    """Redis forgets everything between two commands."""
    commands = f"AUTH {weather.redis.password}\r\nFLUSHALL\r\n".encode()
    answers = exchange(weather.redis.port, commands)
    weather.seen["flushes that Redis confirmed"] += answers.count(b"+OK") == 2


def block_publishers(weather: Weather) -> None:
    """RabbitMQ is short of memory: it says `connection.blocked` and takes no messages."""
    weather.broker.control(WATERMARK, "absolute", "1MB")
    try:
        weather.seen["connections of publishers blocked"] += _blocked(weather)
        time.sleep(BLOCKED_SECONDS)
    finally:
        weather.broker.control(WATERMARK, "0.4")


def _blocked(weather: Weather) -> int:
    """Returns how many connections are blocked, once one is: a publisher is when it next publishes."""
    deadline = time.monotonic() + BLOCKS_WITHIN
    while time.monotonic() < deadline:
        states = weather.broker.control("list_connections", "state").split()
        if found := states.count("blocked"):
            return found
    return 0
