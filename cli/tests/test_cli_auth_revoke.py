"""`qd auth revoke`, `restore` and `revoked`."""

from typing import Any

import pytest

from quarterdeck.cli.constants import EXIT_OK
from quarterdeck.cli.main import main

ONE = {"principal": "corp:anna", "reason": "left", "by": "local:admin", "since": "2026-01-01T00:00:00Z"}


def test_somebody_is_let_in_no_more(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /auth/suspensions", ONE)
    assert main(["auth", "revoke", "corp:anna", "--reason", "left"]) == EXIT_OK
    assert gateway.requests[-1].body == {"principal": "corp:anna", "reason": "left"}
    assert "corp:anna is suspended" in capsys.readouterr().out


def test_somebody_is_let_in_again(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("DELETE /auth/suspensions/corp:anna", ONE)
    assert main(["auth", "restore", "corp:anna"]) == EXIT_OK
    assert capsys.readouterr().out == "corp:anna is let in again\n"


def test_who_is_let_in_no_more(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /auth/suspensions", {"items": [ONE]})
    assert main(["auth", "revoked"]) == EXIT_OK
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["PRINCIPAL", "BY", "SINCE", "REASON"]
    assert row.split()[:2] == ["corp:anna", "local:admin"] and row.endswith("left")
