"""The invoice example on a real platform, in both shapes: the ledger is right, and a person can change it."""

from __future__ import annotations

from e2e_kit.client import Client
from e2e_kit.commands import qd, qd_json
from e2e_kit.ledger import Books, read_books
from e2e_kit.morning import RUN_SECONDS, Morning


def test_the_ledger_is_that_of_a_direct_run(morning: Morning, expected: Books) -> None:
    assert expected.lines
    assert expected.waiting
    assert read_books(morning.ledger) == expected


def test_an_approval_in_the_command_line_changes_the_ledger(morning: Morning, client: Client) -> None:
    data_dir = morning.platform.data_dir
    before = read_books(morning.ledger)
    asked = qd_json(data_dir, "approvals", "list", "--run", morning.run)["items"]
    assert len(asked) == len(before.waiting)
    chosen = asked[0]
    assert chosen["title"] in qd(data_dir, "approvals", "show", chosen["id"])

    assert "approved" in qd(data_dir, "approvals", "approve", chosen["id"], "-m", "seen the invoice")

    child = client.wait_for_run(chosen["runId"], lambda run: run["state"] == "succeeded", RUN_SECONDS)
    assert child["output"]["outcome"] == "approved"
    after = read_books(morning.ledger)
    assert after.bookings == before.bookings + 1
    assert set(before.waiting) - set(after.waiting) == {child["output"]["transaction"]}
    added = [line for line in after.lines if line not in before.lines]
    assert [line[0] for line in added] == [child["output"]["transaction"]] * len(child["output"]["invoices"])


def test_a_rejection_leaves_the_ledger_without_a_booking(morning: Morning, client: Client) -> None:
    data_dir = morning.platform.data_dir
    before = read_books(morning.ledger)
    chosen = qd_json(data_dir, "approvals", "list", "--run", morning.run)["items"][-1]

    qd(data_dir, "approvals", "reject", chosen["id"])

    child = client.wait_for_run(chosen["runId"], lambda run: run["state"] == "succeeded", RUN_SECONDS)
    assert child["output"]["outcome"] == "rejected"
    after = read_books(morning.ledger)
    assert after.bookings == before.bookings
    assert after.lines == before.lines
