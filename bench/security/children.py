"""Processes of a benchmark: each says `ready PORT`, and ends when it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextlib.asynccontextmanager
async def child(directory: Path, *words: str, **variables: str) -> AsyncIterator[int]:
    """Runs `python -m security.MODULE …` in a data directory; yields the port that it names."""
    log = directory / f"{'-'.join(words)}.log"
    command = [sys.executable, "-m", *words]
    with running(command, log, _environment(directory, variables)) as process:
        assert process.stdout is not None
        line = (await asyncio.to_thread(process.stdout.readline)).decode()
        if not line.startswith("ready "):
            raise RuntimeError(f"{words} did not start: {log.read_text()[-2000:]}")
        yield int(line.split()[1])


@contextlib.contextmanager
def service(directory: Path, name: str, **variables: str) -> Iterator[None]:
    """Runs one of the services in a data directory."""
    command = [sys.executable, "-m", "quarterdeck.cli.main", "serve", name, "--management-port", "0"]
    with running(command, directory / f"{name}.log", _environment(directory, variables)):
        yield


@contextlib.contextmanager
def running(command: list[str], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program for as long as the context lasts."""
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=env, cwd=HERE.parent)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


async def until_told() -> None:
    """Waits for SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def _environment(directory: Path, variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QD_")}
    return {**kept, "QD_DATA_DIR": str(directory), **variables}
