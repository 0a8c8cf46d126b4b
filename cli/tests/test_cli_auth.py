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


KEY = {
    "id": "abc",
    "name": "nightly",
    "principal": "account:nightly",
    "state": "live",
    "scopes": ["viewer"],
    "expiresAt": "2027-01-01T00:00:00.000Z",
    "lastUsedAt": None,
}


def test_a_new_key_alone_is_on_stdout(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /tenants/default/apikeys", {**KEY, "key": "qdk_secret"})
    words = [
        "auth",
        "key",
        "create",
        "nightly",
        "--for",
        "account:nightly",
        "--scope",
        "viewer",
        "-n",
        "default",
    ]
    assert main(words) == EXIT_OK
    assert capsys.readouterr().out == "qdk_secret\n"
    sent = {"name": "nightly", "principal": "account:nightly", "scopes": ["viewer"], "expiresIn": ""}
    assert gateway.requests[-1].body == sent


def test_keys_are_listed_rotated_and_revoked(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /tenants/default/apikeys", {"items": [KEY], "continue": None})
    gateway.on("POST /tenants/default/apikeys/nightly/rotate", {**KEY, "key": "qdk_other"})
    gateway.on("DELETE /tenants/default/apikeys/nightly", {"items": [KEY], "continue": None})
    assert main(["auth", "key", "list", "-n", "default"]) == EXIT_OK
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:4] == ["nightly", "account:nightly", "live", "viewer"]
    assert main(["auth", "key", "rotate", "nightly", "--overlap", "1h", "-n", "default"]) == EXIT_OK
    assert gateway.requests[-1].body == {"overlap": "1h", "expiresIn": ""}
    assert capsys.readouterr().out == "qdk_other\n"
    assert main(["auth", "key", "revoke", "nightly", "-n", "default"]) == EXIT_OK
    assert capsys.readouterr().out == "nightly revoked\n"
