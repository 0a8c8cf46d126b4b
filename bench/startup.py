"""From `qd up` to healthy, beside a bare interpreter that imports the same modules; and the memory it takes.

python bench/startup.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from report import Figure, report

QD = Path(sys.executable).parent / "qd"
RATIO, SECONDS, MEBIBYTES = 2.0, 3.0, 300.0
WAIT = 60.0

# Prints what the running platform has imported, as a program that imports the same.
LIST_MODULES = """
import asyncio, sys, tempfile, pathlib
from quarterdeck.cli.platform import EmbeddedPlatform
import quarterdeck.gateway.main, quarterdeck.registry.main, quarterdeck.runtime.main
import quarterdeck.mcp.main, quarterdeck.memory.main
print("\\n".join(sorted(name for name in sys.modules if not name.startswith("_"))))
"""


def start(folder: str) -> tuple[subprocess.Popen[bytes], float]:
    """Starts the platform; returns its process and the seconds until /health answered 200."""
    environment = {**os.environ, "QD_DATA_DIR": folder}
    endpoint = Path(folder) / "endpoint.json"
    endpoint.unlink(missing_ok=True)
    began = time.perf_counter()
    command = [str(QD), "up", "--port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not _healthy(endpoint):
        if process.poll() is not None or time.perf_counter() - began > WAIT:
            raise RuntimeError("the platform did not start")
        time.sleep(0.01)
    return process, time.perf_counter() - began


def _healthy(endpoint: Path) -> bool:
    try:
        url = json.loads(endpoint.read_text())["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends it in good order."""
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def bare_import(modules: list[str]) -> float:
    """Returns the seconds a new interpreter takes to import the same modules and end."""
    program = "\n".join(f"import {name}" for name in modules)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def importable() -> list[str]:
    """Returns the modules of a cold start, in an order that imports them."""
    listed = subprocess.run([sys.executable, "-c", LIST_MODULES], check=True, capture_output=True, text=True)
    roots = [
        "quarterdeck.cli.platform",
        *(f"quarterdeck.{n}.main" for n in ("gateway", "registry", "runtime", "mcp", "memory")),
    ]
    known = set(listed.stdout.split())
    return ["quarterdeck.cli.main", *(name for name in roots if name in known), "uvicorn", "uvloop"]


def main() -> None:
    """Measures in turns and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ours, bare, memory, children = [], [], 0.0, 0.0
    modules = importable()
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as folder:
        for number in range(options.rounds + 1):
            process, seconds = start(folder)
            running = psutil.Process(process.pid)
            memory = running.memory_info().rss / 2**20
            children = sum(child.memory_info().rss for child in running.children(recursive=True)) / 2**20
            stop(process)
            imported = bare_import(modules)
            if number:  # the first one makes the databases and the bytecode
                ours.append(seconds)
                bare.append(imported)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    median = statistics.median(ours)
    load = os.getloadavg()[0]
    report(
        "startup",
        [
            Figure(
                "start to healthy",
                "s",
                median,
                statistics.median(bare),
                "bare imports",
                ratio,
                f"<= {RATIO}x",
                ratio <= RATIO,
            ),
            Figure(
                f"start to healthy, load {load:.1f}",
                "s",
                median,
                None,
                "",
                None,
                f"<= {SECONDS} s idle",
                median <= SECONDS,
            ),
            Figure(
                "resident memory, five services in one process",
                "MiB",
                memory,
                None,
                "",
                None,
                f"<= {MEBIBYTES:.0f} MiB",
                memory <= MEBIBYTES,
            ),
            Figure("resident memory of its children at rest", "MiB", children, None, "", None, "said", None),
        ],
    )


if __name__ == "__main__":
    main()
