"""SIGTERM while a run is at work: the platform ends well within seconds, and the next start goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_kit.demo import PAUSE_SECONDS
from e2e_kit.ledger import Books, read_books, uncertain_approvals, wait_for_rows
from e2e_kit.month import copy_example
from e2e_kit.morning import RUN_SECONDS, start_morning
from e2e_kit.process import left_over
from e2e_kit.shapes import SHAPES, Shape, serving

# Effects in flight may end, and each service then closes what it opened.
STOP_SECONDS = 20.0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_platform_ends_in_the_middle_and_goes_on(
    shape: str, tmp_path: Path, month: Path, expected: Books
) -> None:
    data_dir = tmp_path / "data"
    ledger = data_dir / "ledger.db"
    slow = {"LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(PAUSE_SECONDS)}
    example = copy_example(tmp_path / "example", month, ledger, slow)
    platform: Shape = SHAPES[shape](data_dir)
    with serving(platform):
        run = start_morning(platform, example)
        for table, count in (("invoices", 5), ("bookings", 1)):
            wait_for_rows(ledger, table, count, RUN_SECONDS)
            with platform.client() as client:
                assert not client.only_people(run)
            codes = platform.stop(STOP_SECONDS)
            assert set(codes.values()) == {0}, codes
            assert not left_over(data_dir)
            platform.start()
        with platform.client() as client:
            client.wait_until_only_people(run, RUN_SECONDS)
        assert read_books(ledger) == expected
        assert not uncertain_approvals(data_dir)
