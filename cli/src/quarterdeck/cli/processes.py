"""Processes of single services, as the data directory knows them, and where to ask how they do."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from quarterdeck.cli.constants import PROCESSES_DIR
from quarterdeck.cli.datadir import process_lives


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A process that serves one service. `health` is the address of its management port's /health."""

    service: str
    pid: int
    health: str


@contextlib.contextmanager
def listed(data_dir: Path, process: ServiceProcess) -> Iterator[None]:
    """Lists a process in the data directory while the block lasts; takes away what killed ones left."""
    for left in _dead(data_dir, process.service):
        left.unlink(missing_ok=True)
    file = data_dir / PROCESSES_DIR / f"{process.service}-{process.pid}.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(json.dumps(asdict(process)) + "\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def service_processes(data_dir: Path) -> list[ServiceProcess]:
    """Returns the processes that live; what a killed one left is not believed."""
    found = [_read(file) for file in sorted((data_dir / PROCESSES_DIR).glob("*.json"))]
    return [process for process in found if process is not None and process_lives(process.pid)]


def _dead(data_dir: Path, service: str) -> list[Path]:
    files = (data_dir / PROCESSES_DIR).glob(f"{service}-*.json")
    return [file for file in files if (found := _read(file)) is None or not process_lives(found.pid)]


def this_process(service: str, host: str, port: int) -> ServiceProcess:
    """Returns this process as one that serves `service` with that management port."""
    where = f"[{host}]" if ":" in host else host
    return ServiceProcess(service, os.getpid(), f"http://{where}:{port}/health")


def _read(file: Path) -> ServiceProcess | None:
    try:
        return ServiceProcess(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
