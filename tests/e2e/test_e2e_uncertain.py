"""Without a way to check it, a booking whose answer was lost is a question to a person, and only that one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from e2e_kit.client import Client
from e2e_kit.commands import qd, qd_json
from e2e_kit.ledger import Books, read_books, uncertain_approvals
from e2e_kit.month import Example, copy_example, point_at
from e2e_kit.morning import RUN_SECONDS, start_morning
from e2e_kit.process import pause
from e2e_kit.shapes import OneProcess, Shape, serving

HERE = Path(__file__).resolve().parent
# Which booking of the month gets no answer; how long it waits for it, longer than the test takes.
AT_BOOKING = 9
NEVER = 3600


def stuck_at(booking: int, marker: Path) -> dict[str, str]:
    """The environment of a ledger that commits one booking and does not answer."""
    return {
        "LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(NEVER),
        "LEDGER_PAUSE_AT_BOOKING": str(booking),
        "LEDGER_COMMIT_MARKER": str(marker),
    }


def test_the_booking_in_flight_is_a_question_and_nothing_else(
    tmp_path: Path, month: Path, expected: Books
) -> None:
    ledger, marker = tmp_path / "data" / "ledger.db", tmp_path / "committed.json"
    example = copy_example(tmp_path / "example", month, ledger, stuck_at(AT_BOOKING, marker), checks=False)
    platform = OneProcess(tmp_path / "data")
    with serving(platform):
        run = start_morning(platform, example)
        booked = wait_for_marker(marker, AT_BOOKING)
        with platform.client() as client:
            wait_for_the_others(client, run)
        platform.kill()
        platform.start()

        with platform.client() as client:
            client.wait_until_only_people(run, RUN_SECONDS)
            question = the_question(client, run, len(expected.waiting))
            assert question["data"]["arguments"]["transaction"] == booked["transaction"]
            assert uncertain_effects(platform.data_dir, question["runId"]) == ["ledger/book"]
            assert read_books(ledger) == expected

            words = ("--resolution", "done", "--outcome", json.dumps(booked))
            qd(platform.data_dir, "runs", "resume", question["runId"], *words)
            assert ended_well(client, question)["output"]["outcome"] == "matched"
        assert not uncertain_approvals(platform.data_dir)
        assert read_books(ledger) == expected

        answered_by_approval(platform, example, ledger, booked, tmp_path / "another.json")


def answered_by_approval(
    platform: Shape, example: Example, ledger: Path, booked: dict[str, Any], marker: Path
) -> None:
    """The other way to say it: the question is approved with an answer that holds the outcome."""
    made = read_books(ledger).bookings
    point_at(example, ledger, stuck_at(made + 1, marker), checks=False)
    qd(platform.data_dir, "apply", "-f", example.manifests, "-f", HERE / "manifests" / "book-once.yaml")
    qd(platform.data_dir, "apply", "-f", HERE / "manifests" / "book-once-policy.yaml")
    value = {name: booked[name] for name in ("transaction", "invoices", "amount")}
    run = qd_json(platform.data_dir, "run", "book-once", "--input", json.dumps(value))["id"]
    once_more = wait_for_marker(marker, made + 1)
    platform.kill()
    platform.start()

    with platform.client() as client:
        client.wait_until_only_people(run, RUN_SECONDS)
        question = the_question(client, run, 0)
        answer = json.dumps({"resolution": "done", "outcome": once_more})
        qd(platform.data_dir, "approvals", "approve", question["id"], "--answer", answer)
        assert ended_well(client, question)["output"] == once_more
    assert read_books(ledger).bookings == made + 1


def wait_for_marker(marker: Path, booking: int) -> dict[str, Any]:
    """Waits for the booking that is committed and gets no answer."""
    deadline = time.monotonic() + RUN_SECONDS
    while not marker.exists() or not marker.read_text():
        assert time.monotonic() < deadline, "the booking was never made"
        pause()
    found: dict[str, Any] = json.loads(marker.read_text())
    assert found["booking"] == booking
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


def the_question(client: Client, run: str, others: int) -> dict[str, Any]:
    """The one question about an effect, among the others that the run asks."""
    asked = client.items("approvals", run=run, state="open")
    about_effects = [one for one in asked if one["source"] == "effect"]
    assert len(about_effects) == 1
    assert len(asked) == 1 + others
    return about_effects[0]


def uncertain_effects(data_dir: Path, run: str) -> list[str]:
    """The targets of a run's effects of which nobody knows what became of them."""
    found = qd_json(data_dir, "runs", "effects", run)["items"]
    return [effect["target"] for effect in found if effect["state"] == "uncertain"]


def ended_well(client: Client, question: dict[str, Any]) -> dict[str, Any]:
    """The run that asked, once it has succeeded."""
    run = client.wait_for_run(question["runId"], lambda found: found["finishedAt"], RUN_SECONDS)
    assert run["state"] == "succeeded", run
    return run
