"""From `qd up` to healthy, beside a bare interpreter that imports the same modules; and the memory it takes.

The start is that of `qd up` on a data directory that exists, until /health answers 200. The modules
are those that the running platform had imported by then. Both take turns.

    python bench/startup.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from report import Figure, report

SIDES = Path(__file__).parent / "sides"
QD = Path(sys.executable).parent / "qd"
RATIO, SECONDS, MEBIBYTES = 2.0, 3.0, 300.0
WAIT = 60.0


@contextlib.contextmanager
def platform(folder: Path) -> Iterator[tuple[psutil.Process, float]]:
    """Starts the platform; yields its process and the seconds until /health answered 200."""
    endpoint = folder / "endpoint.json"
    endpoint.unlink(missing_ok=True)
    command = [str(QD), "up", "--port", "0", "--grpc-port", "0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not healthy(endpoint):
            if process.poll() is not None or time.perf_counter() - began > WAIT:
                raise RuntimeError("the platform did not start")
            time.sleep(0.01)
        yield psutil.Process(process.pid), time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT)


def environment(folder: Path) -> dict[str, str]:
    """Returns this environment with another data directory."""
    return {**os.environ, "QD_DATA_DIR": str(folder)}


def healthy(endpoint: Path) -> bool:
    """Whether the platform has announced itself and says that it is well."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        url = json.loads(endpoint.read_text())["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    return False


def bare_import(modules: Path) -> float:
    """Returns the seconds in which a new interpreter imports the modules and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, SIDES / "import_all.py", modules], check=True)
    return time.perf_counter() - began


def starts(folder: Path, rounds: int) -> Figure:
    """Compares starts with imports, in turns."""
    modules = folder / "modules.txt"
    for _ in range(2):  # the first start makes the databases and the bytecode
        cold: list[str | Path] = [sys.executable, SIDES / "cold_start.py", folder / "data", modules]
        subprocess.run(cold, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ours, bare = [], []
    for _ in range(rounds):
        with platform(folder / "data") as (_process, seconds):
            ours.append(seconds)
        bare.append(bare_import(modules))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    count = len(modules.read_text().split())
    peer, target = f"import of the same {count} modules", f"<= {RATIO}x"
    return Figure(
        "start to healthy",
        "s",
        statistics.median(ours),
        statistics.median(bare),
        peer,
        ratio,
        target,
        ratio <= RATIO,
    )


def within(start: Figure) -> Figure:
    """Holds the start against the clock, and says how busy the machine was."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    name = f"start to healthy (load {load:.1f} on {cores} cores)"
    return Figure(name, "s", start.ours, None, "", None, f"<= {SECONDS} s when idle", start.ours <= SECONDS)


def memory(folder: Path) -> list[Figure]:
    """Returns what the platform takes at rest, and after the example has run on it."""
    with platform(folder) as (process, _seconds):
        rest = resident(process, "at rest")
        demo = subprocess.run([QD, "demo"], env=environment(folder), check=False, capture_output=True)
        if demo.returncode:
            raise RuntimeError(f"the demo failed: {demo.stderr.decode()[-500:]}")
        return rest + resident(process, "after the demo")


def resident(process: psutil.Process, when: str) -> list[Figure]:
    """Returns the resident memory of the process that holds the five services, and that of its children."""
    own = process.memory_info().rss / 2**20
    children = [child.memory_info().rss / 2**20 for child in process.children(recursive=True)]
    named = f"resident memory {when}, five services in one process"
    beside = f"the same, {len(children)} child processes (tool servers, vector engine)"
    return [
        Figure(named, "MiB", own, None, "", None, f"<= {MEBIBYTES:.0f} MiB", own <= MEBIBYTES),
        Figure(beside, "MiB", sum(children), None, "", None, "said", None),
    ]


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as folder:
        start = starts(Path(folder), options.rounds)
        figures = [start, within(start), *memory(Path(folder) / "demo")]
    report("startup", figures)


if __name__ == "__main__":
    main()
