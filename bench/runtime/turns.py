"""Turns: every side does a short piece of work after the other, and neighbours are compared.

What else the machine does then counts for all of them alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from report import Figure
from sides.driver import Side

# Seconds that one turn of one side should take.
TURN = 1.0
LEVELS = (4, 16, 64, 128)


@dataclass(slots=True)
class Entrant:
    """A side, the concurrency it runs at, and how many units one of its runs is.

    `lags` are the loop lags in milliseconds, at p99.9 of each turn, of a side that says them.
    """

    side: Side
    name: str
    units: int = 1
    concurrency: int = 1
    runs: int = 0
    lags: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Its name, and at what concurrency it runs."""
        return f"{self.name}, {self.concurrency} at once"

    def rate(self, runs: int | None = None) -> float:
        """Lets it work and returns its units per second."""
        wanted = runs or self.runs
        self.side.ask(self.concurrency, wanted)
        answer = self.side.answer()
        if "lag" in answer:
            self.lags.append(answer["lag"])
        return wanted * self.units / float(answer["seconds"])

    def settle(self, concurrency: int, turn: float = TURN) -> None:
        """Sets the concurrency, warms up, and finds how many runs fill a turn."""
        self.concurrency = concurrency
        self.rate(2 * concurrency)
        per_second = self.rate(max(4, 2 * concurrency)) / self.units
        self.runs = max(concurrency, 4, round(per_second * turn))
        self.lags.clear()

    def settle_at_best(self, levels: Sequence[int] = LEVELS) -> None:
        """Sets the concurrency at which it does most."""
        found: dict[int, float] = {}
        for level in levels:
            self.settle(level, TURN / 2)
            found[level] = statistics.median(self.rate() for _ in range(3))
        self.settle(max(levels, key=lambda level: found[level]))


def interleaved(entrants: Mapping[str, Entrant], rounds: int) -> dict[str, list[float]]:
    """Returns each side's rates, turn by turn. Who begins changes from round to round."""
    rates: dict[str, list[float]] = {name: [] for name in entrants}
    order = list(entrants)
    for _ in range(rounds):
        order.append(order.pop(0))
        for name in order:
            rates[name].append(entrants[name].rate())
    return rates


def best(rates: Mapping[str, Sequence[float]], names: Sequence[str]) -> str:
    """Returns the fastest of `names`."""
    return max(names, key=lambda name: statistics.median(rates[name]))


def ratio_of(ours: Sequence[float], peer: Sequence[float]) -> float:
    """Returns the median of the ratios of neighbouring turns."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))


def faster(
    name: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float],
    peer_name: str,
    least: float | None,
) -> Figure:
    """Compares rates; `least` is the smallest ratio that meets the target, None when there is none."""
    ratio = ratio_of(ours, peer)
    target, met = ("said", None) if least is None else (f">= {least:g}x", ratio >= least)
    return Figure(name, unit, statistics.median(ours), statistics.median(peer), peer_name, ratio, target, met)
