"""Which platform, as whom, about which tenant."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quarterdeck.cli.constants import EXIT_INVALID, EXIT_NOT_FOUND, EXIT_UNREACHABLE
from quarterdeck.cli.contexts import configuration_path, resolve
from quarterdeck.cli.datadir import Endpoint, find_data_dir, read_endpoint, write_endpoint
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.main import main


def running_here(folder: Path, pid: int) -> Path:
    data_dir = folder / ".quarterdeck"
    data_dir.mkdir()
    (data_dir / "admin-token").write_text("qd_local\n")
    write_endpoint(data_dir, Endpoint("http://127.0.0.1:8420", "127.0.0.1:8421", pid, "2026-01-01T00:00:00Z"))
    return data_dir


def test_the_nearest_data_directory_above_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running_here(home, os.getpid())
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    connection = resolve()
    assert (connection.url, connection.token, connection.tenant) == (
        "http://127.0.0.1:8420",
        "qd_local",
        "default",
    )


def test_an_endpoint_of_a_dead_process_is_not_believed(home: Path) -> None:
    data_dir = running_here(home, 2**22 - 1)
    assert read_endpoint(data_dir) is None
    with pytest.raises(CliError) as caught:
        resolve()
    assert caught.value.code == EXIT_UNREACHABLE
    assert "qd up" in caught.value.hint


def test_a_data_directory_can_be_named(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QD_DATA_DIR", str(tmp_path / "other"))
    assert find_data_dir() == tmp_path / "other"


def test_set_context_then_use_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.write_text("qd_far\n")
    arguments = [
        "--server",
        "https://q.example.com/",
        "--tenant",
        "acme",
        "--token-file",
        str(token),
        "--use",
    ]
    assert main(["config", "set-context", "far", *arguments]) == 0
    connection = resolve()
    assert (connection.url, connection.token, connection.tenant) == (
        "https://q.example.com",
        "qd_far",
        "acme",
    )
    assert configuration_path().stat().st_mode & 0o077 == 0
    assert main(["config", "use-context", "local"]) == 0
    capsys.readouterr()
    assert main(["config", "get-contexts", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["items"]
    assert [(row["name"], row["current"]) for row in rows] == [("local", "*"), ("far", "")]


def test_the_command_line_wins_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    main(["config", "set-context", "a", "--server", "http://a", "--tenant", "file", "--token", "t", "--use"])
    assert resolve().tenant == "file"
    monkeypatch.setenv("QD_TENANT", "environment")
    assert resolve().tenant == "environment"
    assert resolve(tenant="line").tenant == "line"
    monkeypatch.setenv("QD_SERVER", "http://b")
    assert resolve().url == "http://b"


def test_an_unknown_context_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "agents", "--context", "nowhere"]) == EXIT_NOT_FOUND
    assert "there are: local" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a: [", "contexts: [{server: x}]", "- a\n- b"])
def test_a_damaged_file_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configuration_path().write_text(text)
    assert main(["get", "agents"]) == EXIT_INVALID
    assert f"error: {configuration_path()} is not a configuration file" in capsys.readouterr().err
