"""One service as a process, asked how it does."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from e2e_kit.process import Child, clean_environment, kill_everything, spawn
from e2e_kit.shapes import free_ports

PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running `qd serve NAME`."""

    child: Child
    port: int

    def health(self) -> tuple[int, dict[str, Any]]:
        """Returns (status, body) of /health; (0, {}) while nobody listens."""
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=10)
            return answer.status_code, answer.json()
        return 0, {}

    def failing(self, part: str) -> bool:
        """Returns what the metrics say of a part: whether it fails."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        return f'health_check_failing{{part="{part}"}} 1.0' in text

    def events(self, name: str) -> list[dict[str, Any]]:
        """Returns the lines of its log with this event."""
        lines = [line for line in self.child.text().splitlines() if line.startswith("{")]
        return [found for found in map(json.loads, lines) if found["event"] == name]

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Waits until something holds. Raises AssertionError with what it printed if it takes too long."""
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert self.child.running, f"it ended:\n{self.child.text()}"
            assert time.monotonic() < deadline, f"{self.health()}\n{self.child.text()}"
            time.sleep(0.05)

    def wait_until_well(self) -> None:
        """Waits until it is healthy and its metrics say so."""
        self.wait_for(lambda: self.health()[0] == 200)
        self.wait_for(lambda: not self.failing("db"))

    def wait_for_problem(self, words: str, part: str = "db") -> None:
        """Waits until its health and its metrics tell of a problem with a part, in these words."""
        self.wait_for(lambda: words in self.health()[1].get("checks", {}).get(part, ""))
        assert self.health()[0] == 503
        self.wait_for(lambda: self.failing(part))


@contextlib.contextmanager
def serve(service: str, folder: Path, database_url: str, **settings: str) -> Iterator[Served]:
    """Runs a service on a database; kills it at the end.

    Args:
        folder: for its data directory and what it prints.
        settings: more variables of its environment.
    """
    port, listen = free_ports(2)
    more: Mapping[str, str] = {
        "QD_DATABASE_URL": database_url,
        "QD_LISTEN": f"127.0.0.1:{listen}",
        "QD_PLAINTEXT": "true",
        "QD_PEERS": json.dumps({service: f"127.0.0.1:{listen}"}),
        **settings,
    }
    environment = clean_environment(folder / "data", more)
    child = spawn(
        service, ("serve", service, "--management-port", str(port)), environment, folder / "screen.txt"
    )
    try:
        yield Served(child, port)
    finally:
        kill_everything([child])
