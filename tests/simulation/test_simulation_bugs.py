"""The simulation finds what is wrong with an engine that has bugs, within a few seeds."""

import pytest
from planted_bugs import BUGS, planted

# Seeds within which each bug has to be found.
SEEDS = 60


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(simulator, name):
    bug, said = planted(name)
    with bug:
        for seed in range(SEEDS):
            problems = simulator.run(seed).problems
            if any(words in problem for problem in problems for words in said):
                return
    pytest.fail(f"{name}: not found in {SEEDS} seeds")
