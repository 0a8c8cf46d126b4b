"""Two worker processes beside one, on one database."""

from __future__ import annotations

import statistics
import sys
import time

import psutil
from report import Figure

from runtime.entrants import STEPS, field_of
from runtime.servers import Servers
from runtime.turns import Entrant, ratio_of

MANY = 100
TARGET, BUSY_TARGET = 1.7, 0.8


def workers(servers: Servers, rounds: int) -> list[Figure]:
    """Measures one of them alone and both together, in turns."""
    with field_of(servers, "workers") as field:
        url, pair = field.database("ours"), []
        for name in ("first", "second"):
            folder = field.directory(name)
            pair.append(field.add(name, STEPS, sys.executable, "quarterdeck_runs.py", folder, url))
        processes = [psutil.Process(one.side.pid) for one in pair]
        processes.append(psutil.Process(servers.postgres.processes[-1].pid))
        for one in pair:
            one.settle(MANY)
        alone, both, shares = [], [], []
        for _ in range(rounds):
            alone.append(pair[0].rate())
            before, began = _seconds(processes), time.perf_counter()
            both.append(_together(pair))
            taken = time.perf_counter() - began
            shares.append((_seconds(processes) - before) / taken / (psutil.cpu_count() or 1))
    return [_figure(both, alone, statistics.median(shares))]


def _figure(both: list[float], alone: list[float], share: float) -> Figure:
    ratio, busy = ratio_of(both, alone), f"they and PostgreSQL took {share:.0%} of both cores"
    target = f">= {TARGET}x, or {BUSY_TARGET:.0%} of both cores taken"
    return Figure(
        f"steps, two worker processes ({busy})", "steps/s", statistics.median(both),
        statistics.median(alone), "one worker process", ratio, target,
        ratio >= TARGET or share >= BUSY_TARGET,
    )  # fmt: skip


def _together(pair: list[Entrant]) -> float:
    """Lets both work at once and returns their steps per second."""
    began = time.perf_counter()
    for one in pair:
        one.side.ask(one.concurrency, one.runs)
    for one in pair:
        one.side.answer()
    return sum(one.runs for one in pair) * STEPS / (time.perf_counter() - began)


def _seconds(processes: list[psutil.Process]) -> float:
    """Returns the processor time that the processes and their children have taken."""
    family = [one for process in processes for one in (process, *process.children())]
    return sum(_taken(one) for one in family)


def _taken(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
