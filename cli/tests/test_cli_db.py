"""`qd db`: on files and on a server."""

import os
import subprocess
import sys

import pytest

from hack.services.databases import administer
from quarterdeck.cli.constants import EXIT_FAILED, EXIT_IN_USE, EXIT_OK, EXIT_USAGE
from quarterdeck.cli.main import main


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path, monkeypatch):
    """Where the services keep things: files, or a server. Its value is the server's URL."""
    monkeypatch.setenv("QD_DATA_DIR", str(tmp_path / "data"))
    url = request.getfixturevalue("postgres_database") if request.param == "postgresql" else ""
    monkeypatch.setenv("QD_DATABASE_URL", url)
    return url


def test_schemas_are_made_shown_and_checked(database, capsys):
    assert main(["db", "check"]) == EXIT_FAILED
    assert "memory: the schema is empty" in capsys.readouterr().out
    assert main(["db", "migrate"]) == EXIT_OK
    assert "memory: created -> 0001" in capsys.readouterr().out
    assert main(["db", "migrate", "memory"]) == EXIT_OK
    assert capsys.readouterr().out == "memory: is at 0001\n"
    assert main(["db", "check"]) == EXIT_OK
    assert capsys.readouterr().out == "5 schemas are as this release declares them\n"
    assert main(["db", "status", "gateway"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["gateway", "current", "0004", "0004"]


def test_an_unknown_service_is_named(database, capsys):
    assert main(["db", "status", "nobody"]) == EXIT_USAGE
    assert "no service 'nobody'" in capsys.readouterr().err


def test_what_was_spoilt_is_found(postgres_database, capsys):
    url = ["--database-url", postgres_database]
    assert main(["db", "migrate", "mcp-manager", "agent-runtime", *url]) == EXIT_OK
    administer(
        postgres_database,
        "ALTER TABLE mcp_manager.tool_pins NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE mcp_manager.tool_calls DROP COLUMN tool",
        "DROP INDEX mcp_manager.tool_calls_by_start",
        "DROP TABLE agent_runtime.triggers",
        "UPDATE agent_runtime.alembic_version SET version_num = '9999'",
    )
    assert "QD_DATABASE_URL" not in os.environ
    capsys.readouterr()
    assert main(["db", "check", "mcp-manager", "agent-runtime", *url]) == EXIT_FAILED
    assert [line.partition(", this")[0] for line in capsys.readouterr().out.splitlines()] == [
        "mcp-manager: column tool_calls.tool is missing",
        "mcp-manager: index tool_calls_by_start of tool_calls is missing",
        "mcp-manager: row-level security of tool_pins is not forced",
        "agent-runtime: the schema is newer: it has 9999",
    ]


def test_a_password_is_not_shown(postgres_database, capsys):
    assert main(["db", "status", "--database-url", postgres_database]) == EXIT_OK
    out = capsys.readouterr().out
    assert "agent_runtime in test_" in out and "@" not in out


HOLDER = """
import sys
from pathlib import Path
from quarterdeck.cli.locks import hold_locks

with hold_locks(Path(sys.argv[1]), ["memory"]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_files_of_a_running_platform_are_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QD_DATABASE_URL", "")
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as platform:
        assert platform.stdout.readline() == b"held\n"
        assert main(["db", "migrate", "memory"]) == EXIT_IN_USE
        assert f"process {platform.pid} runs its memory" in capsys.readouterr().err
        assert main(["db", "status", "memory"]) == EXIT_OK
        platform.stdin.close()
    assert not (tmp_path / "memory.db").exists()
