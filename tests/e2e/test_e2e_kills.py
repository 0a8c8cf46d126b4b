"""`kill -9` while the demo runs, start again: the run finishes with the very same ledger.

A few kills on a small month here; `make kill-test` has twenty on the committed month (QD_KILLS=20).
QD_KILL_SEED repeats one drawing.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from random import SystemRandom

import pytest
from e2e_kit.demo import Demo
from e2e_kit.kills import Campaign, draw_kills
from e2e_kit.ledger import direct_run
from e2e_kit.month import committed_month
from e2e_kit.tally import record, table

FEW = 4


@pytest.mark.timeout(1800)
def test_the_killed_demo_finishes_with_the_same_ledger(
    tmp_path: Path, month: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = os.environ.get("QD_KILLS")
    month = committed_month() if asked else month
    seed = int(os.environ.get("QD_KILL_SEED") or SystemRandom().randrange(1_000_000))
    kills = draw_kills(int(asked or FEW), seed)

    def say(line: str) -> None:
        """Tells it at once where somebody waits for twenty kills, and only a failure's otherwise."""
        with capfd.disabled() if asked else contextlib.nullcontext():
            print(line, flush=True)

    say(f"\n{len(kills)} kills, seed {seed}")
    undisturbed = Demo(tmp_path / "undisturbed", month)
    began = time.monotonic()
    expected = undisturbed.finish()
    seconds = time.monotonic() - began
    assert expected == direct_run(undisturbed.example, tmp_path / "direct.db")
    say(f"  undisturbed: {expected.bookings} bookings in {seconds:.1f} s")

    struck = Campaign(tmp_path, month, expected, seconds, say).carry_out(kills)

    say(table(struck))
    if asked:
        record(struck)
    assert [one.kill.number for one in struck] == [kill.number for kill in kills]
    assert all(one.well_placed for one in struck), table(struck)
    assert all(one.same for one in struck), "\n".join(one.problem for one in struck)
