"""Without a way to check it, a booking whose answer was lost is a question to a person, and only that one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from e2e_kit.client import Client
from e2e_kit.commands import qd, qd_json
from e2e_kit.ledger import Books, read_books, uncertain_approvals
from e2e_kit.month import copy_example
from e2e_kit.morning import RUN_SECONDS, start_morning
from e2e_kit.process import pause
from e2e_kit.shapes import OneProcess, serving

# Which booking gets no answer; longer than the test takes.
AT_BOOKING = 9
NEVER = 3600


@pytest.mark.parametrize("way", ["resume", "approve"])
def test_the_booking_in_flight_is_a_question_and_nothing_else(
    way: str, tmp_path: Path, month: Path, expected: Books
) -> None:
    ledger, marker = tmp_path / "data" / "ledger.db", tmp_path / "committed.json"
    stuck = {
        "LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(NEVER),
        "LEDGER_PAUSE_AT_BOOKING": str(AT_BOOKING),
        "LEDGER_COMMIT_MARKER": str(marker),
    }
    example = copy_example(tmp_path / "example", month, ledger, stuck, checks=False)
    platform = OneProcess(tmp_path / "data")
    with serving(platform):
        run = start_morning(platform, example)
        booked = wait_for_marker(marker)
        with platform.client() as client:
            wait_for_the_others(client, run)
        platform.kill()
        platform.start()

        with platform.client() as client:
            client.wait_until_only_people(run, RUN_SECONDS)
            question = the_question(client, run, expected)
            assert question["data"]["arguments"]["transaction"] == booked["transaction"]
            assert read_books(ledger) == expected
            assert uncertain_effects(platform.data_dir, question["runId"]) == ["ledger/book"]

            say_it_was_done(way, platform.data_dir, question, booked)

            child = client.wait_for_run(question["runId"], lambda found: found["finishedAt"], RUN_SECONDS)
            assert child["state"] == "succeeded", child
            assert child["output"]["outcome"] == "matched"
        assert not uncertain_approvals(platform.data_dir)
        assert read_books(ledger) == expected


def wait_for_marker(marker: Path) -> dict[str, Any]:
    """Waits for the booking that is committed and gets no answer."""
    deadline = time.monotonic() + RUN_SECONDS
    while not marker.exists() or not marker.read_text():
        assert time.monotonic() < deadline, "the booking was never made"
        pause()
    found: dict[str, Any] = json.loads(marker.read_text())
    assert found["booking"] == AT_BOOKING
    return found


def wait_for_the_others(client: Client, run: str) -> None:
    """Waits until every child of the run but one has ended or waits for a person."""
    deadline = time.monotonic() + RUN_SECONDS
    while True:
        children = client.items("runs", parent=run, name="match-transaction", limit=500)
        moving = [one for one in children if not one["finishedAt"] and not one["openApprovals"]]
        if len(moving) == 1:
            return
        assert time.monotonic() < deadline, moving
        pause()


def the_question(client: Client, run: str, expected: Books) -> dict[str, Any]:
    """The one question about an effect; the others are those of the month."""
    asked = client.items("approvals", run=run, state="open")
    about_effects = [one for one in asked if one["source"] == "effect"]
    assert len(about_effects) == 1
    assert len(asked) == 1 + len(expected.waiting)
    return about_effects[0]


def uncertain_effects(data_dir: Path, run: str) -> list[str]:
    """The targets of a run's effects of which nobody knows what became of them."""
    found = qd_json(data_dir, "runs", "effects", run)["items"]
    return [effect["target"] for effect in found if effect["state"] == "uncertain"]


def say_it_was_done(way: str, data_dir: Path, question: dict[str, Any], booked: dict[str, Any]) -> None:
    """Tells the platform that the booking was made, in one of the two ways that the command line has."""
    outcome = json.dumps(booked)
    if way == "resume":
        qd(data_dir, "runs", "resume", question["runId"], "--resolution", "done", "--outcome", outcome)
    else:
        answer = json.dumps({"resolution": "done", "outcome": booked})
        qd(data_dir, "approvals", "approve", question["id"], "--answer", answer)
