"""A disk that is full, files that are damaged, ports and directories that others hold."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from badinput_support import (
    NEIGHBOUR,
    QD,
    LivePlatform,
    open_policy,
    problem_of,
    tool_workflow,
    until,
    workflow,
)

from quarterdeck.cli.constants import EXIT_IN_USE, EXIT_INVALID, EXIT_STORAGE, EXIT_UNREACHABLE

# -- a full disk ---------------------------------------------------------------------------------


class SmallDisk:
    """A file system of 32 MiB that can be filled up. It takes a root user to mount one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "disk"
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(self.folder)]
        self.mounted = os.getuid() == 0 and subprocess.run(mount, check=False).returncode == 0

    def fill(self, platform: LivePlatform) -> None:
        """Leaves no byte free."""
        assert platform.process is not None
        with (self.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def free(self, platform: LivePlatform) -> None:
        """Makes room again."""
        (self.folder / "filler").unlink()

    def close(self) -> None:
        """Takes it away."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


class NoMoreBytes(SmallDisk):
    """For everybody else: the platform's process may not make any file longer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mounted = folder / "disk", False
        self.folder.mkdir()

    def fill(self, platform: LivePlatform) -> None:
        """See `SmallDisk.fill`."""
        self._limit(platform, 1)

    def free(self, platform: LivePlatform) -> None:
        """See `SmallDisk.free`."""
        self._limit(platform, resource.RLIM_INFINITY)

    def _limit(self, platform: LivePlatform, size: int) -> None:
        assert platform.process is not None
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(platform.process.pid, resource.RLIMIT_FSIZE, limits)


@pytest.fixture(params=[SmallDisk, NoMoreBytes])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    made: SmallDisk = request.param(tmp_path)
    if not made.mounted and request.param is SmallDisk:
        (tmp_path / "other").mkdir()
        made = NoMoreBytes(tmp_path / "other")
    yield made
    made.close()


def test_a_full_disk_is_told_and_read_from_and_recovered_from(disk: SmallDisk, tmp_path: Path) -> None:
    platform, notes = LivePlatform(disk.folder / "p"), tmp_path / "notes"
    note = tool_workflow("notes", "friendly", "note", "text", "file", "seconds")
    signal = workflow("waits", {"name": "pause", "wait": {"signal": {"name": "go"}}})
    pause = workflow("pauses", {"name": "pause", "wait": {"duration": "2s"}})
    try:
        platform.start()
        platform.apply(*NEIGHBOUR, open_policy("friendly"), note, signal, pause)
        platform.serves_others()
        arguments = {"text": "once", "file": str(notes), "seconds": 1.5}
        # Accepted before the disk is full: in the middle of a write, waiting for time, and for a signal.
        writing = platform.start_run("Workflow", "notes", arguments)
        pausing, waiting = (platform.start_run("Workflow", name) for name in ("pauses", "waits"))
        for run_id in (pausing, waiting):
            platform.wait(run_id, "waiting")
        until(Path(f"{notes}.begun").exists, 10, "the call to begin")
        disk.fill(platform)
        full_disk_is_told(platform, waiting)
        reading_goes_on(platform, writing)
        until(notes.exists, 10, "the tool to do its work while the disk is full")
        time.sleep(1)
        disk.free(platform)
        platform.serves_others()
        for run_id in (writing, pausing):
            assert platform.wait(run_id, timeout=20)["state"] == "succeeded"
        assert notes.read_text() == "once\n"
        assert platform.post(f"runs/{waiting}/signal", {"name": "go"}).is_success
        assert platform.wait(waiting)["state"] == "succeeded"
        platform.apply(workflow("after", {"name": "a", "transform": {"output": 1}}))
        assert platform.http.get("/health/db").status_code == 200
        assert platform.stop() == 0
    finally:
        platform.kill()


def full_disk_is_told(platform: LivePlatform, waiting: str) -> None:
    start = {"kind": "Workflow", "name": "neighbour", "input": {"text": "x"}}
    for answer in (
        platform.post("runs", start),
        platform.post("runs", {**start, "input": {"text": "x" * 200_000}}),
        platform.post(f"runs/{waiting}/signal", {"name": "go"}),
        platform.put(workflow("during", {"name": "a", "transform": {"output": 1}})),
    ):
        problem = problem_of(answer, 503)
        assert problem["reason"] == "DiskFull"
        assert str(platform.data) in problem["detail"]
        assert "free some space" in problem["hint"]
    done = platform.qd("run", "neighbour", "--input", '{"text": "x"}')
    assert done.returncode == EXIT_UNREACHABLE
    assert str(platform.data) in done.stderr
    health = platform.http.get("/health/db")
    assert health.status_code == 503
    assert str(platform.data) in health.text


def reading_goes_on(platform: LivePlatform, run_id: str) -> None:
    assert platform.run(run_id)["state"] == "running"
    assert len(platform.get("runs")["items"]) == 4
    assert platform.get("workflows/neighbour")["spec"]["nodes"]
    assert platform.journal(run_id)[0]["type"] == "run.started"
    assert platform.get("tools", server="friendly")["items"]
    assert platform.qd("runs", "list").returncode == 0
    assert platform.alive()


def test_a_platform_does_not_start_on_a_full_disk(tmp_path: Path) -> None:
    """No file may get any byte; the process is told so before it starts."""
    script = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    platform = LivePlatform(tmp_path / "p")
    command = [sys.executable, "-c", script, str(QD), "up", "--port", "0", "--grpc-port", "0"]
    done = subprocess.run(
        command, env=platform.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_STORAGE, done
    assert str(platform.data) in done.stderr
    assert "hint: " in done.stderr
    assert len(done.stderr.splitlines()) <= 3, done.stderr


# -- damaged files -------------------------------------------------------------------------------


def refused(platform: LivePlatform, *more: str) -> tuple[int, str]:
    """Starts a platform that cannot start; returns its exit code and what it said."""
    screen = platform.folder / "screen.txt"
    screen.unlink(missing_ok=True)
    process = platform.spawn(*more)
    try:
        return process.wait(60), screen.read_text()
    finally:
        process.kill()


def damage_head(file: Path) -> None:
    file.write_bytes(b"this is not a database" * 200)


def damage_middle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    file.write_bytes(data)


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def test_a_corrupt_database_is_named_and_what_is_kept_elsewhere_stays(own_platform: LivePlatform) -> None:
    own_platform.start()
    own_platform.apply(*NEIGHBOUR)
    run = own_platform.go("Workflow", "neighbour", {"text": "kept"})
    own_platform.stop()
    for service, damage in (
        ("agent-runtime", damage_head),
        ("agent-runtime", damage_middle),
        ("registry", cut_off),
        ("mcp-manager", damage_head),
        ("memory", damage_head),
        ("gateway", damage_middle),
    ):
        file = own_platform.data / f"{service}.db"
        good = file.read_bytes()
        damage(file)
        code, said = refused(own_platform)
        assert code == EXIT_STORAGE, (service, damage, said)
        assert f"the database file {file} is corrupt" in said
        assert "restore it from a backup" in said
        assert "Traceback" not in said
        for extra in (f"{service}.db-wal", f"{service}.db-shm"):
            (own_platform.data / extra).unlink(missing_ok=True)
        file.write_bytes(good)
    own_platform.start()
    assert own_platform.run(run["id"])["output"] == {"text": "kept"}
    own_platform.serves_others()
    assert own_platform.stop() == 0


def test_half_a_configuration_is_named(own_platform: LivePlatform) -> None:
    own_platform.folder.mkdir()
    for name, value, code, words in (
        ("QD_GATEWAY_MAX_BODY_BYTES", "plenty", EXIT_INVALID, "max_body_bytes"),
        ("QD_DRAIN_TIMEOUT", "soon", EXIT_INVALID, "drain_timeout"),
        ("QD_DATA_DIR", "/dev/null/data", EXIT_STORAGE, "/dev/null"),
        ("QD_DATABASE_URL", "mysql://nowhere/x", 1, "mysql"),
    ):
        kept = dict(own_platform.environment)
        own_platform.environment[name] = value
        got, said = refused(own_platform)
        assert (got, words in said) == (code, True), (name, got, said)
        assert "Traceback" not in said
        own_platform.environment = kept


# -- what others hold ----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_named(own_platform: LivePlatform, option: str) -> None:
    own_platform.folder.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = refused(own_platform, option, port)
    assert code == EXIT_IN_USE, said
    assert port in said
    assert "hint: " in said
    assert "Traceback" not in said


def test_a_data_directory_in_use_is_told_and_its_platform_goes_on(platform: LivePlatform) -> None:
    held = json.loads((platform.data / "endpoint.json").read_text())
    with (platform.folder / "second.txt").open("wb") as screen:
        second = subprocess.Popen(
            [str(QD), "up", "--port", "0", "--grpc-port", "0"],
            env=platform.environment,
            stdout=screen,
            stderr=screen,
        )
        assert second.wait(60) == EXIT_IN_USE
    said = (platform.folder / "second.txt").read_text()
    assert str(platform.data) in said
    assert str(held["pid"]) in said
    assert json.loads((platform.data / "endpoint.json").read_text()) == held
    platform.serves_others()
