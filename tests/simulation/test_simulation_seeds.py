"""Seeds: many of them hold, a calm one does its work, and one seed is the same everywhere."""

import os
import re
import subprocess
import sys

import pytest

from quarterdeck.runtime.simulation.__main__ import main
from quarterdeck.runtime.simulation.await_points import Coverage
from quarterdeck.runtime.simulation.many import PORTION, run_many
from quarterdeck.runtime.simulation.report import WANTED as STRIKES
from quarterdeck.runtime.simulation.report import failure, heading, missed, pairs, render

# QD_SEEDS=10000 runs so many, however long it takes, in QD_JOBS processes.
WANTED = int(os.environ.get("QD_SEEDS", "0"))
JOBS = int(os.environ.get("QD_JOBS", "2"))
# With so many, each fault has to strike often enough at each place.
ENOUGH = 10_000
SEEDS = WANTED or 60
LONGEST = None if WANTED else 40.0
# What even a very busy machine does in that time: a portion is always finished.
FEWEST = PORTION


@pytest.mark.timeout(max(600, 10 * WANTED))
def test_many_seeds_hold(capsys):
    summary = run_many(0, SEEDS, JOBS, longest=LONGEST)
    with capsys.disabled():
        print(f"\n{heading(summary)}" if not WANTED else f"\n{render(summary)}")
    assert not summary.failures, "\n".join(map(failure, summary.failures))
    assert summary.seeds >= FEWEST
    # None of it is vacuous.
    facts = summary.facts
    assert facts["runs"] > 20 * summary.seeds
    assert min(facts["fenced"], facts["effects"]) > 0
    assert len(summary.coverage.reached) > 40
    if summary.seeds >= ENOUGH:
        assert not list(missed(summary.coverage)), f"struck less than {STRIKES} times: see the report"


def test_the_report_counts_pairs_of_faults_and_places():
    coverage = Coverage()
    place = "runtime/execution/worker.py:_renew:1"
    for _ in range(50):
        coverage.strike("crash", [place])
    coverage.strike("stall", [place])
    assert pairs(coverage) == (1, 1, 2)  # the clock never jumped there, and nobody drained
    assert pairs(coverage, wanted=1) == (2, 0, 2)
    assert sorted(missed(coverage)) == [("clock-jump", place, 0), ("drain", place, 0), ("stall", place, 1)]


def traced(seed, hash_seed):
    """Returns what a seed prints in a process of its own."""
    command = [sys.executable, "-m", "quarterdeck.runtime.simulation", "--seed", str(seed), "--trace"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return re.sub(r"\([\d.]+ s\)", "", done.stdout)


def test_a_seed_is_the_same_in_every_process():
    first, second = traced(7, "1"), traced(7, "2")
    assert first == second
    assert first.count("\n") > 20


def test_a_seed_is_the_same_after_other_seeds(simulator):
    alone = simulator.run(11)
    simulator.run(12)
    again = simulator.run(11)
    assert (again.facts, again.faults, again.coverage.struck) == (
        alone.facts,
        alone.faults,
        alone.coverage.struck,
    )


def test_the_command_says_how_a_seed_can_be_seen_again(capsys):
    assert main(["--seed", "5"]) == 0
    assert "seed 5: nothing is wrong" in capsys.readouterr().out
