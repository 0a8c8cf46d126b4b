"""Where a step's processor time goes in the engine's process: a flame graph and a table.

    python -m runtime.profile [--concurrency 100] [--runs 2000] [--svg FILE]     (in bench/)

The stack is looked at each time the process has used a millisecond of processor time: waiting costs nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvloop

from runtime.flame import Stack, draw
from runtime.servers import SIDES, servers

EVERY = 0.001
STEPS = 5
DEEPEST = 60
REST = "event loop, tasks, queues"
# What a path says about whose work it is; the first that fits.
AREAS = {
    "/bench/runtime/": REST,
    "/runtime/planner/": "deciding what follows",
    "/runtime/reducer/": "folding events into the state",
    "/runtime/store/": "arguments of the statement",
    "/runtime/execution/": "executor: commits, effects, lists of what is pending",
    "/runtime/testing/": "the benchmark's own tool and client",
    "/bench/sides/": "the benchmark's own tool and client",
    "/runtime/": "live events, instruments, definitions",
    "/common/codec.py": "JSON",
    "/common/database/": "sharing of commits, connections",
    "/common/": "tracing, ids, clock, artifacts",
    "/sqlalchemy/": "SQLAlchemy's adapter",
    "/asyncpg/": "asyncpg",
    "/opentelemetry/": "tracing, ids, clock, artifacts",
    "/prometheus_client/": "live events, instruments, definitions",
}


def area(path: str) -> str:
    """Returns whose work the code in a file is."""
    return next((name for part, name in AREAS.items() if part in path), REST)


class Samples:
    """Stacks, and areas by the innermost function that belongs to one."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()
        self.areas: Counter[str] = Counter()

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Looks at the stack."""
        names: list[str] = []
        found = REST
        while frame is not None and len(names) < DEEPEST:
            path = frame.f_code.co_filename
            if found == REST:
                found = area(path)
            names.append(f"{Path(path).stem}.{frame.f_code.co_qualname}")
            frame = frame.f_back
        self.stacks[tuple(reversed(names))] += 1
        self.areas[found] += 1


@contextmanager
def sampling() -> Iterator[Samples]:
    """Takes samples of this thread."""
    samples = Samples()
    before = signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def measure(url: str, folder: Path, concurrency: int, runs: int) -> tuple[Samples, float]:
    """Returns samples, and the milliseconds of processor time a step takes without them."""
    sys.path.insert(0, str(SIDES))
    import quarterdeck_runs as side

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        harness = runner.run(side.open_harness(folder, url, "tools"))
        runner.run(side.run(harness, "tools", concurrency, 2 * concurrency))
        began = time.process_time()
        runner.run(side.run(harness, "tools", concurrency, runs))
        used = (time.process_time() - began) / (runs * STEPS) * 1000
        with sampling() as samples:
            runner.run(side.run(harness, "tools", concurrency, runs))
        runner.run(harness.__aexit__())
    return samples, used


def main() -> None:
    """Measures, prints the table, and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    with servers() as found:
        url = found.database("profile")
        samples, used = measure(url, found.folder, options.concurrency, options.runs)
    total = samples.areas.total()
    title = f"{options.concurrency} runs at a time, {used * 1000:.0f} microseconds of one core per step"
    print(f"{title}; {total} samples")
    for name, count in samples.areas.most_common():
        print(f"| {name} | {count / total:.0%} | {count / total * used * 1000:.0f} µs |")
    if options.svg:
        options.svg.write_text(draw(samples.stacks, title))


if __name__ == "__main__":
    main()
