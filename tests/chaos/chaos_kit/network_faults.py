"""Faults between the processes: replies lost, lines cut, packets gone."""

from __future__ import annotations

import time

from chaos_kit.weather import FREEZE_SECONDS, Weather
from chaos_kit.wire import COMMIT, SHARED_APPEND

# Replies lost in one fault.
REPLIES = 5


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


def stall_connections(weather: Weather) -> None:
    """The proxy swallows what workers and PostgreSQL say to each other; the lines break when it is over."""
    weather.proxy.freeze()
    time.sleep(FREEZE_SECONDS)
    weather.proxy.cut_all()
    weather.proxy.thaw()


def drop_database_packets(weather: Weather) -> None:
    """The kernel drops every packet between the workers and PostgreSQL; the connections stay."""
    _drop(weather, weather.proxy.port, "packets to or from PostgreSQL dropped")


def drop_broker_packets(weather: Weather) -> None:
    """The kernel drops every packet between all services and RabbitMQ; the connections stay."""
    _drop(weather, weather.broker.port, "packets to or from RabbitMQ dropped")


def _drop(weather: Weather, port: int, what: str) -> None:
    packets = weather.packets
    assert packets is not None, "this campaign has no network namespace"
    before = packets.dropped
    packets.drop(port)
    time.sleep(FREEZE_SECONDS)
    packets.pass_again()
    weather.seen[what] += packets.dropped - before
