"""Many seeds, in several operating-system processes, and what came of all of them."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from quarterdeck.runtime.simulation.await_points import Coverage
from quarterdeck.runtime.simulation.seeds import Simulator, Verdict

# Seeds that one process takes at once; between two portions it collects garbage, and only then.
PORTION = 10


@dataclass(slots=True)
class Summary:
    """What came of many seeds. `failures`: those with problems. `seconds`: as a clock on the wall shows."""

    seeds: int = 0
    failures: list[Verdict] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    faults: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    busy: float = 0.0
    seconds: float = 0.0

    def add(self, other: Summary) -> None:
        """Adds what another portion gave."""
        self.seeds += other.seeds
        self.failures += other.failures
        self.coverage.add(other.coverage)
        self.faults.update(other.faults)
        self.facts.update(other.facts)
        self.busy += other.busy

    def take(self, verdict: Verdict) -> None:
        """Adds one seed."""
        self.seeds += 1
        self.coverage.add(verdict.coverage)
        self.faults.update(verdict.faults)
        self.facts.update(verdict.facts)
        self.busy += verdict.seconds
        if verdict.problems:
            verdict.coverage = Coverage()
            self.failures.append(verdict)


_simulator: Simulator | None = None


def run_portion(seeds: range) -> Summary:
    """Runs some seeds in this process."""
    global _simulator
    if _simulator is None:
        _simulator = Simulator()
        gc.collect()
        gc.freeze()
    summary = Summary()
    gc.disable()
    try:
        for seed in seeds:
            summary.take(_simulator.run(seed))
    finally:
        gc.enable()
        gc.collect()
    return summary


def run_many(
    first: int,
    count: int,
    processes: int,
    *,
    longest: float | None = None,
    on_failure: Callable[[Verdict], None] = lambda _verdict: None,
) -> Summary:
    """Runs `count` seeds from `first` on; fewer if that takes longer than `longest` seconds.

    Args:
        on_failure: told of a seed that failed, as soon as that is known.
    """
    began, total = time.perf_counter(), Summary()
    for part in _portions(first, count, processes):
        total.add(part)
        for verdict in part.failures:
            on_failure(verdict)
        total.seconds = time.perf_counter() - began
        if longest is not None and total.seconds > longest:
            break
    return total


def _portions(first: int, count: int, processes: int) -> Iterator[Summary]:
    portions = [range(n, min(n + PORTION, first + count)) for n in range(first, first + count, PORTION)]
    if processes == 1:
        yield from map(run_portion, portions)
        return
    yield from _in_processes(portions, processes)


def _in_processes(portions: Iterable[range], processes: int) -> Iterator[Summary]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        yield from pool.imap_unordered(run_portion, portions)
