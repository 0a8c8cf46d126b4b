"""Measures every row and reports; `make bench-runtime`.

    python -m runtime [--rounds 9] [--only ROW …] [--items 100000]     (in bench/)

Rows are measured one after the other on one PostgreSQL, each beside its peer in short turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

from report import BUILD, Figure, keep, report

from runtime import others, starts, steps, streams, worker_rows, workers, written
from runtime.baseline import baseline, said
from runtime.entrants import PEER_PYTHON
from runtime.servers import Servers, servers

Row = Callable[[], list[Figure]]


def rows(found: Servers, rounds: int, items: int) -> dict[str, Row]:
    """Returns what can be measured, by name, in order."""
    return {
        "machine": lambda: machine(found),
        "steps": lambda: steps.steps(found, rounds),
        "pure": lambda: others.pure(found, rounds),
        "workers": lambda: workers.workers(found, rounds),
        "temporal": lambda: others.temporal(found, max(3, rounds // 3)),
        "starts": lambda: starts.starts(found, rounds),
        "turns": lambda: worker_rows.turns(found),
        "written": lambda: written.written(found),
        "memory": lambda: worker_rows.memory(found),
        "streams": lambda: streams.streams(found),
        "map": lambda: worker_rows.mapping(found, items),
    }


def machine(found: Servers) -> list[Figure]:
    """Returns the machine's own limits, and how busy others keep it."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    figures = asyncio.run(baseline(found.database("machine"), found.database("machine", slow=True)))
    return [*figures, said(f"machine: load before the start, {cores} cores", "", load)]


def measure(wanted: Iterable[str], all_rows: dict[str, Row]) -> tuple[list[Figure], list[str]]:
    """Returns the figures of the rows `wanted`, and the rows that failed. Keeps what it has after each."""
    figures: list[Figure] = []
    failed: list[str] = []
    for name in wanted:
        print(f"-- {name}", file=sys.stderr, flush=True)
        try:
            figures += all_rows[name]()
            keep("runtime", figures)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    return figures, failed


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--items", type=int, default=100_000, help="of the map")
    parser.add_argument("--only", nargs="*", help="rows")
    options = parser.parse_args()
    if not PEER_PYTHON.exists():
        raise SystemExit(f"error: there is no {PEER_PYTHON}; `make bench-runtime` makes it")
    BUILD.mkdir(exist_ok=True)
    # A terminated run stops its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))
    with servers() as found:
        all_rows = rows(found, options.rounds, options.items)
        figures, failed = measure(options.only or all_rows, all_rows)
    report("runtime", figures)
    if failed:
        raise SystemExit("error: not measured: " + ", ".join(failed))


if __name__ == "__main__":
    main()
