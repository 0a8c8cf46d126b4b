"""Steps per second: ours, its bare SQL, DBOS and LangGraph, directly and with a slower network.

A step is a call of a no-op tool registered in process, whose outcome is committed before the next begins.
"""

from __future__ import annotations

from collections.abc import Mapping

from report import Figure

from runtime.entrants import BARE, DBOS, LANGGRAPH, OURS, Field, field_of
from runtime.servers import ADDED_MS, Servers
from runtime.turns import Entrant, best, faster, interleaved

MANY = 100
ALONE_TARGET, MANY_TARGET, BARE_TARGET = 4.0, 40.0, 0.25
LAG_TARGET_MS = 50.0


def steps(servers: Servers, rounds: int) -> list[Figure]:
    """Measures directly, and through the proxy."""
    found: list[Figure] = []
    for slow in (False, True):
        with field_of(servers, "slow" if slow else "steps", slow=slow) as field:
            field.add_ours()
            field.add_bare()
            field.add_dbos()
            field.add_langgraph()
            found += _measured(field, max(3, rounds // 2) if slow else rounds, _where(slow))
    return found


def _where(slow: bool) -> str:
    return f", {ADDED_MS:g} ms added to each round trip" if slow else ""


def _measured(field: Field, rounds: int, where: str) -> list[Figure]:
    sides = field.sides
    for entrant in sides.values():
        entrant.settle(1)
    alone = _compared(f"steps, one at a time{where}", interleaved(sides, rounds), sides, ALONE_TARGET, None)
    for entrant in sides.values():
        if entrant.name in (OURS, BARE):
            entrant.settle(MANY)
        else:
            entrant.settle_at_best()
    rates = interleaved(sides, rounds)
    many = _compared(f"steps, {MANY} at a time{where}", rates, sides, MANY_TARGET, BARE_TARGET)
    return [*alone, *many, lag_figure(f"loop lag at p99.9, {MANY} runs at a time{where}", sides[OURS].lags)]


def _compared(
    name: str,
    rates: Mapping[str, list[float]],
    sides: Mapping[str, Entrant],
    dbos_target: float,
    bare_target: float | None,
) -> list[Figure]:
    found = []
    for names, least in ((DBOS, dbos_target), (LANGGRAPH, None), ((BARE,), bare_target)):
        peer = best(rates, names)
        found.append(faster(name, "steps/s", rates[OURS], rates[peer], sides[peer].label, least))
    return found


def lag_figure(name: str, lags: list[float]) -> Figure:
    """Judges the worst turn."""
    worst = max(lags)
    return Figure(name, "ms", worst, None, "", None, f"<= {LAG_TARGET_MS:g} ms", worst <= LAG_TARGET_MS)
