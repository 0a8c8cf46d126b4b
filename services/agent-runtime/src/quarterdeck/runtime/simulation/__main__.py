"""`python -m quarterdeck.runtime.simulation`: runs seeds and says what came of them."""

from __future__ import annotations

import argparse
import sys

from quarterdeck.runtime.simulation.many import run_many
from quarterdeck.runtime.simulation.report import failure, render
from quarterdeck.runtime.simulation.seeds import Simulator, Verdict


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 if a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m quarterdeck.runtime.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="with --seed: say what happens")
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="at once (default: %(default)s)")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return _one(given.seed, given.trace)
    summary = run_many(given.first, given.seeds, given.processes, on_failure=_tell)
    sys.stdout.write(render(summary) + "\n")
    return 1 if summary.failures else 0


def _tell(verdict: Verdict) -> None:
    sys.stderr.write(failure(verdict) + "\n")


def _one(seed: int, trace: bool) -> int:
    verdict = Simulator(trace=trace).run(seed)
    for line in verdict.log:
        sys.stdout.write(line + "\n")
    said = (
        failure(verdict) if verdict.problems else f"seed {seed}: nothing is wrong ({verdict.seconds:.2f} s)"
    )
    sys.stdout.write(said + "\n")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
