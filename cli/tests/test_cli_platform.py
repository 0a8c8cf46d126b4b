"""The embedded platform, for real: one process, five services, one data directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.cli.checks import Level
from quarterdeck.cli.checks_platform import process_checks
from quarterdeck.cli.constants import EXIT_IN_USE, EXIT_STORAGE
from quarterdeck.cli.processes import service_processes

START_TIMEOUT = 60.0
QD = [sys.executable, "-m", "quarterdeck.cli.main"]
ECHO = """\
apiVersion: quarterdeck.dev/v1alpha1
kind: Workflow
metadata: {name: echo}
spec:
  input: {schema: {type: object, required: [word], properties: {word: {type: string}}}}
  nodes:
  - name: shape
    transform: {output: {said: "${input.word}"}}
  output: ${nodes.shape.output}
"""


def environment(data_dir: Path) -> dict[str, str]:
    return {**os.environ, "QD_DATA_DIR": str(data_dir)}


def qd(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [*QD, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_TIMEOUT,
        env=environment(data_dir),
    )


def up(data_dir: Path, *words: str) -> subprocess.Popen[str]:
    """Starts a process on the data directory and waits until it says where it listens."""
    process = subprocess.Popen(
        [*QD, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(data_dir)
    )
    deadline = time.monotonic() + START_TIMEOUT
    while not (data_dir / "endpoint.json").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    data_dir = tmp_path_factory.mktemp("p") / "data"
    process = up(data_dir, "up", "--port", "0", "--grpc-port", "0")
    yield data_dir, process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_apply_run_follow(platform: tuple[Path, subprocess.Popen[str]], tmp_path: Path) -> None:
    data_dir, _ = platform
    manifest = tmp_path / "echo.yaml"
    manifest.write_text(ECHO)
    applied = qd(data_dir, "apply", "-f", str(manifest))
    assert (applied.returncode, applied.stdout) == (0, "workflow/echo created\n"), applied.stderr
    assert qd(data_dir, "diff", "-f", str(manifest)).returncode == 0
    ran = qd(data_dir, "run", "echo", "--input", '{"word": "ahoy"}', "--follow", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert "run.started" in ran.stderr
    run = json.loads(ran.stdout)
    assert (run["state"], run["output"]) == ("succeeded", {"said": "ahoy"})
    assert run["id"] in qd(data_dir, "runs", "list", "-o", "name").stdout


def test_a_wrong_input_is_refused_with_its_field(platform: tuple[Path, subprocess.Popen[str]]) -> None:
    data_dir, _ = platform
    refused = qd(data_dir, "run", "workflow/echo", "--input", '{"word": 5}')
    assert refused.returncode == 3
    assert "word" in refused.stderr


def test_doctor_finds_five_healthy_services(platform: tuple[Path, subprocess.Popen[str]]) -> None:
    data_dir, _ = platform
    found = qd(data_dir, "doctor")
    assert found.returncode == 0, found.stdout
    healthy = {line.split()[1] for line in found.stdout.splitlines() if line.startswith("ok")}
    assert {"gateway", "registry", "agent-runtime", "mcp-manager", "memory", "token"} <= healthy


def test_a_second_process_is_refused_by_name(platform: tuple[Path, subprocess.Popen[str]]) -> None:
    data_dir, process = platform
    for words in (("up", "--port", "0"), ("serve", "registry", "--management-port", "0")):
        refused = qd(data_dir, *words)
        assert refused.returncode == EXIT_IN_USE
        assert f"process {process.pid} runs its" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_it_logs_to_its_file_and_keeps_the_token_out_of_it(
    platform: tuple[Path, subprocess.Popen[str]],
) -> None:
    data_dir, _ = platform
    log = (data_dir / "logs" / "quarterdeck.log").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    assert any(entry.get("service") == "gateway" for entry in entries)
    assert (data_dir / "admin-token").read_text().strip() not in log


def test_a_signal_stops_it_gracefully_and_the_next_start_finds_everything(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    manifest = tmp_path / "echo.yaml"
    manifest.write_text(ECHO)
    first = up(data_dir, "up", "--port", "0", "--grpc-port", "0")
    assert qd(data_dir, "apply", "-f", str(manifest)).returncode == 0
    first.send_signal(signal.SIGTERM)
    out = first.communicate(timeout=START_TIMEOUT)[0]
    assert first.returncode == 0, out
    assert "stopping" in out
    assert "Traceback" not in out
    assert not (data_dir / "endpoint.json").exists()
    second = up(data_dir, "up", "--port", "0", "--grpc-port", "0")
    try:
        assert qd(data_dir, "get", "workflow", "echo", "-o", "name").stdout == "workflow/echo\n"
    finally:
        second.kill()
        second.communicate()


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words in (("--port", port, "--grpc-port", "0"), ("--port", "0", "--grpc-port", port)):
            refused = qd(tmp_path / "data", "up", *words)
            assert refused.returncode == EXIT_IN_USE
            assert refused.stderr.startswith(f"error: port {port} is in use")
            assert len(refused.stderr.splitlines()) == 2


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "registry.db").write_bytes(b"this is no database at all, but long enough to be read" * 100)
    refused = qd(data_dir, "up", "--port", "0", "--grpc-port", "0")
    assert refused.returncode == EXIT_STORAGE
    assert str(data_dir / "registry.db") in refused.stderr
    assert len(refused.stderr.splitlines()) == 2


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = qd(tmp_path / "file", "up", "--port", "0", "--grpc-port", "0")
    assert refused.returncode == EXIT_STORAGE
    assert str(tmp_path / "file") in refused.stderr


def test_one_service_answers_on_its_management_port(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process = subprocess.Popen(
        [*QD, "serve", "registry", "--management-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(data_dir),
    )
    assert process.stderr is not None
    try:
        url = next(line.split()[-1] for line in process.stderr if "health and metrics" in line)
        import httpx

        assert httpx.get(url, trust_env=False).json()["service"] == "registry"
        (listed,) = service_processes(data_dir)
        assert (listed.service, listed.pid, listed.health) == ("registry", process.pid, url)
        found = {check.name: check.level for check in process_checks([listed])}
        assert (found["registry"], found["memory"]) == (Level.OK, Level.BAD)
        assert httpx.get(f"{url}/db", trust_env=False).status_code == 200
        assert httpx.get(url.replace("/health", "/metrics"), trust_env=False).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_TIMEOUT)
    assert process.returncode == 0
    assert service_processes(data_dir) == []
