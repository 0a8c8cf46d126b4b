"""Five processes and the tool server, killed one at a time while a run is at work: the run goes on."""

from __future__ import annotations

from pathlib import Path

from e2e_kit.ledger import Books, read_books, uncertain_approvals, wait_for_rows
from e2e_kit.month import copy_example
from e2e_kit.morning import RUN_SECONDS, start_morning
from e2e_kit.shapes import SERVICES, FiveProcesses, serving

# Long enough that every service finds some bookings left to die in.
SLOW = 1.0


def test_each_service_in_turn_is_killed_and_comes_back(tmp_path: Path, month: Path, expected: Books) -> None:
    ledger = tmp_path / "data" / "ledger.db"
    slow = {"LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(SLOW)}
    example = copy_example(tmp_path / "example", month, ledger, slow)
    platform = FiveProcesses(tmp_path / "data")
    with serving(platform):
        run = start_morning(platform, example)
        for number, service in enumerate(SERVICES):
            wait_for_rows(ledger, "bookings", 1 + 3 * number, RUN_SECONDS)
            platform.kill_one(service)
            platform.start_again(service)
        wait_for_rows(ledger, "bookings", 1 + 3 * len(SERVICES), RUN_SECONDS)
        assert platform.kill_below("mcp-manager", "servers/ledger.py")
        with platform.client() as client:
            client.wait_until_only_people(run, RUN_SECONDS)
        assert read_books(ledger) == expected
        assert not uncertain_approvals(platform.data_dir)
