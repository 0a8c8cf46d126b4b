"""One process a service and data directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.cli.constants import EXIT_IN_USE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.locks import hold_locks, holder_of
from quarterdeck.cli.uptime import owned_services
from quarterdeck.common.settings import PlatformSettings

HOLDER = """
import os, sys, time
from pathlib import Path
from quarterdeck.cli.locks import hold_locks
with hold_locks(Path(sys.argv[1]), ("registry", "memory")):
    if os.fork() == 0:
        time.sleep(30)
    print("held", flush=True)
    time.sleep(30)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_has_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(CliError) as caught, hold_locks(tmp_path, ("gateway", "memory")):
        pass
    assert caught.value.code == EXIT_IN_USE
    assert f"process {holder.pid} runs its memory" in caught.value.message
    assert holder_of(tmp_path, "registry") == holder.pid
    assert holder_of(tmp_path, "gateway") == 0
    with hold_locks(tmp_path, ("gateway",)):
        pass


def test_a_killed_process_frees_it_at_once_even_if_a_child_lives_on(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with hold_locks(tmp_path, ("registry", "memory")):
        pass


def test_replicas_share_a_directory_when_a_server_keeps_the_truth(tmp_path: Path) -> None:
    alone = PlatformSettings(data_dir=tmp_path)
    shared = PlatformSettings(data_dir=tmp_path, database_url="postgresql://db.example/quarterdeck")
    assert list(owned_services(alone, "agent-runtime")) == ["agent-runtime"]
    assert list(owned_services(shared, "agent-runtime")) == []
