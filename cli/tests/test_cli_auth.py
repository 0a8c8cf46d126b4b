"""`qd auth`."""

from typing import Any

import pytest

from quarterdeck.cli.constants import EXIT_OK
from quarterdeck.cli.main import main

ANSWER = {
    "allowed": False,
    "principal": "corp:anna",
    "verb": "create",
    "resource": "runs",
    "tenant": "default",
    "name": "month-end",
    "reason": "no role allows it",
    "role": None,
    "source": None,
    "rule": None,
    "rolesThatAllow": ["developer", "operator"],
}
ALLOWED = {**ANSWER, "allowed": True, "reason": "role viewer by AccessBinding b", "rule": "get:runs"}


def test_who_one_is(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /auth/whoami", {"principal": "local:admin", "groups": []})
    assert main(["auth", "whoami"]) == EXIT_OK
    assert "principal: local:admin" in capsys.readouterr().out


def test_no_is_an_exit_code(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /auth/check", ANSWER)
    assert main(["auth", "can-i", "create", "runs", "month-end", "-n", "default"]) == 1
    assert capsys.readouterr().out == "no\n"
    sent = {"verb": "create", "resource": "runs", "tenant": "default", "name": "month-end"}
    assert gateway.requests[-1].body == {**sent, "principal": "", "groups": []}


def test_yes(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /auth/check", ALLOWED)
    words = ["auth", "can-i", "list", "tenants", "--platform", "--as", "corp:anna", "--as-group", "corp:ops"]
    assert main(words) == EXIT_OK
    assert capsys.readouterr().out == "yes\n"
    asked = gateway.requests[-1].body
    assert (asked["tenant"], asked["principal"], asked["groups"]) == ("", "corp:anna", ["corp:ops"])


def test_a_denial_names_the_roles_that_would_allow_it(
    gateway: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.on("POST /auth/check", ANSWER)
    assert main(["auth", "explain", "create", "runs", "month-end"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines() == [
        "corp:anna may not create runs month-end in tenant default: no role allows it",
        "roles that allow it: developer, operator",
    ]


def test_what_allows_it_is_shown(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /auth/check", ALLOWED)
    assert main(["auth", "explain", "create", "runs"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[-1] == "rule: get:runs"
