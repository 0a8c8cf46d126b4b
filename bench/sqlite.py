"""Runs of five no-op tool steps on SQLite: ours beside LangGraph with its SQLite checkpointer.

Both sides are processes that stay (bench/sides). Both commit every step's outcome before the next one
begins, in WAL mode with synchronous=FULL; LangGraph with durability="sync". They take short turns,
and the figure is the median of the ratios of neighbouring turns, so that what else the machine does
counts for both. LangGraph is given the better of its two savers. One run at a time is compared, and
then each side at the concurrency that suits it best.

    python bench/sqlite.py [--rounds 25]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from report import BUILD, Figure, report
from sides.driver import Side

HERE = Path(__file__).parent
PEER_PYTHON = HERE.parent / ".venv-bench/bin/python"
STEPS = 5
TARGET = 2.0
LEVELS = (4, 16, 64, 128)
SAVERS = ("sync", "async")
# Runs of one turn: about a tenth of a second, or a few.
ALONE, MANY = 20, 128


def measure(sides: dict[str, Side], levels: dict[str, int], runs: int, rounds: int) -> dict[str, list[float]]:
    """Returns each side's steps per second, turn by turn. Who begins changes from round to round."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(rounds):
        order.append(order.pop(0))
        for name in order:
            rates[name].append(sides[name].rate(levels[name], runs) * STEPS)
    return rates


def best_levels(sides: dict[str, Side]) -> dict[str, int]:
    """Returns the concurrency at which each side does most steps."""
    found = {level: measure(sides, dict.fromkeys(sides, level), MANY, 3) for level in LEVELS}
    return {
        name: max(LEVELS, key=lambda level, name=name: statistics.median(found[level][name]))  # type: ignore[misc]
        for name in sides
    }


def figure(title: str, rates: dict[str, list[float]], levels: dict[str, int]) -> Figure:
    """Compares ours with the better saver."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(SAVERS, key=lambda name: medians[name])
    ratio = statistics.median(ours / peer for ours, peer in zip(rates["ours"], rates[best], strict=True))
    name = f"five-step runs on SQLite, {title} (ours {levels['ours']})"
    peer = f"LangGraph, {best} saver, {levels[best]} at once"
    met = ratio >= TARGET
    return Figure(name, "steps/s", medians["ours"], medians[best], peer, ratio, f">= {TARGET}x", met)


def compare(sides: dict[str, Side], rounds: int) -> list[Figure]:
    """Measures both ways."""
    alone = dict.fromkeys(sides, 1)
    measure(sides, alone, ALONE, 2)  # warms up
    best = best_levels(sides)
    return [
        figure("one at a time", measure(sides, alone, ALONE, rounds), alone),
        figure("each at its best", measure(sides, best, MANY, max(3, rounds // 3)), best),
    ]


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    if not PEER_PYTHON.exists():
        raise SystemExit(f"error: there is no {PEER_PYTHON}; `make bench-sqlite` makes it")
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-sqlite-", dir=BUILD) as folder:
        peer = HERE / "sides/langgraph_runs.py"
        sides = {saver: Side(PEER_PYTHON, peer, saver, folder) for saver in SAVERS}
        sides["ours"] = Side(sys.executable, HERE / "sides/quarterdeck_runs.py", folder)
        try:
            figures = compare(sides, options.rounds)
        finally:
            for side in sides.values():
                side.close()
    report("sqlite", figures)


if __name__ == "__main__":
    main()
