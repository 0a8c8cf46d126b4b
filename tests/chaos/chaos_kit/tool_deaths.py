"""mcp-manager and its tools die while calls are in flight; which these were is read while it stands still."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos_kit.judging import Death
from chaos_kit.weather import Weather

MANAGER = "mcp-manager"
# A death that hits nothing proves nothing: so long (seconds) a call is waited for.
PATIENCE = 20.0
# What the manager had sent to the database when it was stopped is done by then (seconds).
ARRIVES = 0.2
IN_FLIGHT = "SELECT call_id FROM mcp_manager.tool_calls WHERE state = 'intent'"


def kill_manager(weather: Weather) -> None:
    """mcp-manager dies with its tools, calls in flight among them."""
    _die(weather, "mcp-manager killed", lambda: weather.deployment.kill_one(MANAGER))
    weather.deployment.restart(MANAGER)
    weather.deployment.wait_until_healthy()


def kill_tool(weather: Weather) -> None:
    """A tool server dies; the manager lives."""
    _die(weather, "tool server killed", lambda: weather.deployment.kill_below(MANAGER, "poster.py"))
    weather.deployment.thaw(MANAGER)


def _die(weather: Weather, what: str, kill: Callable[[], object]) -> None:
    """Stops the manager, notes what is in flight, and kills; the manager stays stopped, or dead."""
    deadline = time.monotonic() + PATIENCE
    while not _in_flight(weather) and time.monotonic() < deadline:
        time.sleep(0.02)
    weather.deployment.freeze(MANAGER)
    time.sleep(ARRIVES)
    calls = _in_flight(weather)
    kill()
    weather.deaths.append(Death(what, time.time(), frozenset(calls)))


def _in_flight(weather: Weather) -> list[str]:
    return [row["call_id"] for row in weather.database.rows(IN_FLIGHT)]
