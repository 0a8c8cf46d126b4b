"""Processes that a test starts, and how it ends them: by id, with everything below, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

QD = Path(sys.executable).with_name("qd")
REPOSITORY = Path(__file__).resolve().parents[3]

# Settings of the developer's shell that would change what a test does.
_FOREIGN = ("QD_", "ANTHROPIC_", "OPENAI_", "LEDGER_", "OTEL_")


def clean_environment(data_dir: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns our environment without what is set about platforms and models, for one data directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    own = {"QD_DATA_DIR": str(data_dir), "QD_CONFIG": str(data_dir / "no-config.yaml")}
    return {**kept, **own, **(more or {})}


class Process(Protocol):
    """What is asked of a process that was started; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


@dataclass(slots=True)
class Child:
    """A process in a session and process group of its own, whose output goes to a file."""

    name: str
    process: Process
    output: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self.process.poll() is None

    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace")

    def ask_to_stop(self) -> None:
        """Sends SIGTERM to the process alone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill_alone(self) -> None:
        """Sends SIGKILL to the process alone: what it started has to notice by itself."""
        self.process.kill()
        self.process.wait()


def spawn(name: str, arguments: Sequence[str | Path], environment: Mapping[str, str], output: Path) -> Child:
    """Starts `qd` with these arguments; what it prints is added to the file `output`."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("ab") as file:
        process = subprocess.Popen(
            [str(QD), *map(str, arguments)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, output)


def kill_everything(children: Iterable[Child]) -> int:
    """Sends SIGKILL to the processes and to every process below them; returns how many there were.

    Each is stopped before its own children are looked for, so that none is started unseen. Returns when
    all are gone.
    """
    found: list[psutil.Process] = []
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            _gather(psutil.Process(child.pid), found)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for child in children:
        child.process.wait()
    psutil.wait_procs(found, timeout=10)
    return len(found)


def _gather(process: psutil.Process, found: list[psutil.Process]) -> None:
    process.suspend()
    found.append(process)
    for below in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            _gather(below, found)


def kill_below(child: Child, words: str) -> int:
    """Sends SIGKILL to the innermost processes below one whose command line has these words; how many."""
    below = psutil.Process(child.pid).children(recursive=True)
    found = [process for process in below if _is_innermost(process, words)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(found)


def _is_innermost(process: psutil.Process, words: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
        return words in " ".join(process.cmdline()) and not process.children()
    return False


def wait_for_end(child: Child, seconds: float) -> int:
    """Returns the exit code of a process. Raises AssertionError with its output if it goes on."""
    try:
        return child.process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{child.name} did not end within {seconds:g} s:\n{child.text()}") from None


def left_over(data_dir: Path) -> list[str]:
    """Returns the command lines of living processes that name a data directory or run inside it."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            line = " ".join(process.info["cmdline"] or ())
            if process.info["status"] != psutil.STATUS_ZOMBIE and str(data_dir) in line:
                found.append(line)
    return found


def pause() -> None:
    """Waits between two looks at something."""
    time.sleep(0.02)
