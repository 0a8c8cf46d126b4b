"""The sides: a process that makes Agents ready, and what it has used of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from controllers.ground import NAMESPACE

ROOT = Path(__file__).parents[2]
SIDES = ROOT / "bench/sides"
PEER = ROOT / ".venv-bench/bin"
OURS, LIBRARY, KOPF = "registry", "library", "kopf"
# Seconds that a process must use less than a fiftieth of a core to be at rest.
QUIET = 1.0
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Entrant:
    """A side's process; `helpers` are processes that work for it alone, such as its database's."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    helpers: int | None = None

    def cpu(self) -> float:
        """Returns the seconds of processor time that it has used so far."""
        return _cpu([psutil.Process(self.process.pid)])

    def helpers_cpu(self) -> float:
        """Returns the same of its helpers."""
        if self.helpers is None:
            return 0.0
        head = psutil.Process(self.helpers)
        return _cpu([head, *head.children(recursive=True)])

    def memory(self) -> float:
        """Returns its resident memory in MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    async def rest(self) -> None:
        """Waits until it does nothing. RuntimeError with its log if it ended, or never rests."""
        async with asyncio.timeout(PATIENCE):
            before = self.cpu()
            while True:
                await asyncio.sleep(QUIET)
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}")
                now = self.cpu()
                if now - before < QUIET / 50:
                    return
                before = now


def _cpu(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str | Path], log: Path, helpers: int | None = None, **environment: str
) -> Iterator[Entrant]:
    """Runs a side until the end."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield Entrant(name, process, log, helpers)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ours(kubeconfig: Path, database: str, folder: Path, helpers: int | None = None) -> Iterator[Entrant]:
    """Runs the registry's controller as in a cluster: a process of its own on PostgreSQL."""
    settings = {
        "KUBECONFIG": str(kubeconfig),
        "QD_DATABASE_URL": database,
        "QD_REGISTRY_OBJECTS": "kubernetes",
        "QD_DATA_DIR": str(folder),
        "QD_LOG_LEVEL": "warning",
    }
    program = Path(sys.executable).with_name("qd")
    command: list[str | Path] = [program, "serve", "registry-controller", "--management-port", "0"]
    with running(OURS, command, folder.with_suffix(".log"), helpers, **settings) as entrant:
        yield entrant


@contextlib.contextmanager
def kopf(kubeconfig: Path, log: Path) -> Iterator[Entrant]:
    """Runs the same job on kopf, which checks a spec by the same code, and keeps nothing."""
    command: list[str | Path] = [PEER / "kopf", "run", "--standalone", "--quiet", "--namespace", NAMESPACE]
    paths = f"{SIDES}:{ROOT / 'libs/resources/src'}"
    with running(
        KOPF, [*command, SIDES / "kopf_agents.py"], log, KUBECONFIG=str(kubeconfig), PYTHONPATH=paths
    ) as entrant:
        yield entrant


@contextlib.contextmanager
def library(kubeconfig: Path, log: Path) -> Iterator[Entrant]:
    """Runs the very job of the kopf side on libs/controller."""
    command: list[str | Path] = [sys.executable, SIDES / "library_agents.py"]
    with running(LIBRARY, command, log, KUBECONFIG=str(kubeconfig)) as entrant:
        yield entrant
