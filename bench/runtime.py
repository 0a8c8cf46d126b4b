"""Runs of five no-op tool steps on SQLite: ours beside LangGraph with its SQLite checkpointer.

Both sides are processes that stay (bench/sides), both commit every step's outcome before the next
begins (WAL, synchronous=FULL; LangGraph with durability="sync"). They take turns, and the ratio is
the median of the ratios of neighbouring rounds. LangGraph is given its better saver.

    python bench/runtime.py [--rounds 5] [--runs 60]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Figure, report

HERE = Path(__file__).parent
PEER_PYTHON = HERE.parent / ".venv-bench/bin/python"
STEPS = 5
TARGET = 2.0
LEVELS = (1, 50)


class Side:
    """One side's process."""

    def __init__(self, *command: str | Path) -> None:
        parts = [str(part) for part in command]
        self._process = subprocess.Popen(parts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a side of the comparison ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def rate(self, concurrency: int, runs: int) -> float:
        """Returns steps per second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"concurrency": concurrency, "runs": runs}) + "\n")
        self._process.stdin.flush()
        return runs * STEPS / float(self._answer()["seconds"])

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def compare(sides: dict[str, Side], concurrency: int, rounds: int, runs: int) -> Figure:
    """Measures one level of concurrency."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            rate = side.rate(concurrency, runs)
            if number:  # the first round warms up
                rates[name].append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(("sync", "async"), key=lambda name: medians[name])
    ratio = statistics.median(ours / peer for ours, peer in zip(rates["ours"], rates[best], strict=True))
    name = f"five-step runs on SQLite, concurrency {concurrency}"
    peer = f"LangGraph, {best} SQLite saver"
    return Figure(
        name, "steps/s", medians["ours"], medians[best], peer, ratio, f">= {TARGET}x", ratio >= TARGET
    )


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=60)
    options = parser.parse_args()
    if not PEER_PYTHON.exists():
        raise SystemExit(f"error: {PEER_PYTHON} is missing; run make bench, which makes it")
    with tempfile.TemporaryDirectory(prefix="bench-runtime-") as folder:
        sides = {
            "ours": Side(sys.executable, HERE / "sides/quarterdeck_runs.py", folder),
            "sync": Side(PEER_PYTHON, HERE / "sides/langgraph_runs.py", "sync", folder),
            "async": Side(PEER_PYTHON, HERE / "sides/langgraph_runs.py", "async", folder),
        }
        try:
            figures = [compare(sides, level, options.rounds, options.runs) for level in LEVELS]
        finally:
            for side in sides.values():
                side.close()
    report("runtime", figures)


if __name__ == "__main__":
    main()
