"""A process that is forked is one like any other: it does what it is told, freezes, and dies alone."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from chaos_kit.forking import ForkServer, fork_server
from e2e_kit.process import Child, clean_environment, kill_everything


def worker(server: ForkServer, folder: Path, name: str) -> Child:
    """Forks a worker on a data directory of its own, and waits until it says that it serves."""
    arguments = ["serve", "agent-runtime", "--management-port", "0"]
    child = server.spawn(name, arguments, clean_environment(folder / name), folder / f"{name}.txt")
    deadline = time.monotonic() + 60
    while "agent-runtime serves" not in child.text():
        assert child.running and time.monotonic() < deadline, child.text()
        time.sleep(0.05)
    return child


@pytest.mark.timeout(180)
def test_what_is_forked_lives_and_dies_by_itself(tmp_path: Path) -> None:
    with fork_server(clean_environment(tmp_path)) as server:
        first, second = (worker(server, tmp_path, name) for name in ("one", "two"))
        one, two = psutil.Process(first.pid), psutil.Process(second.pid)
        assert one.ppid() == two.ppid() == server.process.pid
        first.process.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            first.process.wait(0.05)
        assert kill_everything([first]) == 1
        assert not first.running and second.running
        second.ask_to_stop()
        second.process.wait(60)
        assert (tmp_path / "one").is_dir() and (tmp_path / "two").is_dir()
