"""`qd bus dead`."""

from typing import Any

import pytest

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from quarterdeck.cli.main import main

LETTERS = [
    {"id": "a", "topic": "events.paid", "reason": "delivery_limit", "queue": "q", "ours": True},
    {"id": "b", "topic": "x", "reason": "rejected", "queue": "q", "ours": False},
]


def test_dead_letters_are_listed(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /bus/dead", {"items": LETTERS, "continue": None})
    assert main(["bus", "dead", "list", "-n", "default"]) == EXIT_OK
    assert gateway.requests[-1].query["tenant"] == "default"
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "events.paid", "delivery_limit", "-"]
    assert main(["bus", "dead", "list", "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out.split() == ["a", "b"]


def test_a_dead_letter_is_shown(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /bus/dead/a", LETTERS[0])
    assert main(["bus", "dead", "show", "a"]) == EXIT_OK
    assert "reason: delivery_limit" in capsys.readouterr().out


def test_all_of_ours_are_replayed(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("GET /bus/dead", {"items": LETTERS, "continue": None})
    gateway.on("POST /bus/dead/replay", {"replayed": ["a"]})
    assert main(["bus", "dead", "replay", "--all"]) == EXIT_OK
    assert gateway.requests[-1].body == {"ids": ["a"]}
    assert capsys.readouterr().out == "a replayed\n"


def test_what_is_not_found_is_said(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.on("POST /bus/dead/replay", {"replayed": ["a"]})
    assert main(["bus", "dead", "replay", "a", "z"]) == EXIT_FAILED
    assert "z not found" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["a", "--all"]])
def test_what_to_replay_must_be_said(gateway: Any, words: list[str]) -> None:
    assert main(["bus", "dead", "replay", *words]) == EXIT_USAGE
    assert not gateway.requests
