"""The services as processes of their own, as `qd serve` runs them, on one data directory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.services.server import free_port

QD = Path(sys.executable).parent / "qd"
START_SECONDS = 60.0
LAG_BUCKETS = "event_loop_lag_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Running:
    """A service's process, and where its metrics are."""

    pid: int
    management_port: int

    def lag_ms(self, share: float) -> float:
        """Returns the smallest bucket bound, in milliseconds, that `share` of the loop's lags are within."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.management_port}/metrics", timeout=10)
        lines = [line for line in page.read().decode().splitlines() if line.startswith(LAG_BUCKETS)]
        counts = {float(line.split('le="')[1].split('"')[0]): float(line.split()[-1]) for line in lines}
        wanted = counts[float("inf")] * share
        return min(bound for bound, count in counts.items() if count >= wanted) * 1000


@contextlib.contextmanager
def serve(name: str, data_dir: Path, **environment: str) -> Iterator[Running]:
    """Runs a service until the end; yields once it is healthy."""
    port = free_port()
    command = [str(QD), "serve", name, "--management-port", str(port)]
    plain = {"QD_DATA_DIR": str(data_dir), "QD_LOG_LEVEL": "error", "QD_GATEWAY_ACCESS_LOG": "none"}
    with (data_dir.parent / f"{data_dir.name}-{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **plain, **environment}, stdout=log, stderr=log
        )
        try:
            _wait(process, port, Path(log.name))
            yield Running(process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not _healthy(port):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-800:]}")
        time.sleep(0.05)


def _healthy(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as ok,
    ):
        return bool(ok.status == 200)
    return False


@contextlib.contextmanager
def runtime(
    data_dir: Path, url: str, also: tuple[str, ...] = (), **more: str
) -> Iterator[dict[str, Running]]:
    """Runs the registry, the services in `also`, and the runtime on the database `url`."""
    with contextlib.ExitStack() as stack:
        running = {"registry": stack.enter_context(serve("registry", data_dir))}
        running["agent-runtime"] = stack.enter_context(
            serve("agent-runtime", data_dir, QD_DATABASE_URL=url, **more)
        )
        for name in also:
            running[name] = stack.enter_context(serve(name, data_dir, **more))
        yield running
