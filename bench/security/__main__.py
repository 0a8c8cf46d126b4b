"""What security costs. Writes build/bench-security.json.

python -m security [--rounds 15] [--only doors|wires]      (in bench/; `make bench-security`)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
# For the processes that are started from here.
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])

from report import Figure, report  # noqa: E402

from hack.services import keeper, state  # noqa: E402
from security import doors, wires  # noqa: E402

REQUESTS, CALLS = 400, 2000


async def measure(rounds: int, only: str) -> list[Figure]:
    """Returns the figures that are asked for."""
    found: list[Figure] = []
    if only in ("", "doors"):
        folder = Path(tempfile.mkdtemp(prefix="qd-bench-redis-"))
        try:
            keeper.post(folder, os.getpid())
            redis = state.ensure(folder, "redis")
            found += await doors.figures(redis.url, rounds, REQUESTS)
        finally:
            state.stop_all(folder)
    if only in ("", "wires"):
        found += await wires.figures(rounds, CALLS)
    return found


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=("doors", "wires"), default="")
    options = parser.parse_args()
    report("security", asyncio.run(measure(options.rounds, options.only)))


if __name__ == "__main__":
    main()
