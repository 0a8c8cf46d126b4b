"""The platform as users run it, in both shapes: `qd up`, and five times `qd serve NAME`."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from e2e_kit.client import Client
from e2e_kit.process import Child, clean_environment, kill_below, kill_everything, pause, spawn, wait_for_end
from quarterdeck.common.transport.authority import Authority

RUNTIME = "agent-runtime"
SERVICES = ("registry", "memory", "mcp-manager", RUNTIME, "gateway")
START_SECONDS = 60.0


class Shape(ABC):
    """A platform on a data directory of its own. It may be started again after it was stopped or killed.

    Args:
        data_dir: its data directory; what the processes print goes to `screen/` beside it.
        environment: settings for its processes.
    """

    name: str

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.children: list[Child] = []
        self._environment = clean_environment(data_dir, environment)

    @abstractmethod
    def commands(self) -> Mapping[str, Sequence[str]]:
        """Returns what to start: arguments of `qd` by a name for the process."""

    @abstractmethod
    def management(self, service: str) -> str:
        """Returns the base URL of a service's /health and /metrics."""

    def environment_of(self, child: str) -> Mapping[str, str]:
        """Returns the environment of one process."""
        return self._environment

    def start(self, seconds: float = START_SECONDS) -> None:
        """Starts every process and waits until all of it is healthy."""
        self.children = [self._spawn(name) for name in self.commands()]
        self._wait_until_healthy(seconds)

    def _spawn(self, name: str) -> Child:
        return spawn(name, self.commands()[name], self.environment_of(name), self._screen(name))

    def _screen(self, name: str) -> Path:
        """Returns the file for what a process prints."""
        return self.data_dir.with_name(f"{self.data_dir.name}-screen") / f"{name}.txt"

    def _wait_until_healthy(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        waiting = set(SERVICES)
        while waiting:
            self._require_alive(deadline, waiting)
            waiting = {service for service in waiting if not self._healthy(service)}
            pause()

    def _require_alive(self, deadline: float, waiting: set[str]) -> None:
        ended = [child for child in self.children if not child.running]
        if ended or time.monotonic() > deadline:
            who = ended or self.children
            screens = "\n".join(f"--- {child.name}\n{child.text()}" for child in who)
            raise AssertionError(f"the platform did not start; not healthy: {sorted(waiting)}\n{screens}")

    def _healthy(self, service: str) -> bool:
        with contextlib.suppress(httpx.TransportError, OSError, ValueError, KeyError):
            return httpx.get(f"{self.management(service)}/health", timeout=5).status_code == 200
        return False

    @property
    def running(self) -> bool:
        """True while any of its processes runs."""
        return any(child.running for child in self.children)

    @property
    def endpoint(self) -> Mapping[str, Any]:
        """Where it says that it listens. Raises OSError or KeyError until this start has said so."""
        found: dict[str, Any] = json.loads((self.data_dir / "endpoint.json").read_text())
        if found["pid"] not in [child.pid for child in self.children]:
            raise KeyError("endpoint.json is of an earlier start")
        return found

    @property
    def token(self) -> str:
        """The local administrator's token."""
        return (self.data_dir / "admin-token").read_text().strip()

    def client(self) -> Client:
        """Returns a client of its REST API, as the administrator."""
        return Client(self.endpoint["url"], self.token)

    def stop(self, seconds: float) -> Mapping[str, int]:
        """Asks every process to stop; returns the exit codes by process."""
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + seconds
        return {
            child.name: wait_for_end(child, max(0.1, deadline - time.monotonic())) for child in self.children
        }

    def kill(self) -> int:
        """Kills every process, tool servers included; returns how many."""
        return kill_everything(self.children)


class OneProcess(Shape):
    """Five services in one process."""

    name = "one process"

    def commands(self) -> Mapping[str, Sequence[str]]:
        """See `Shape.commands`."""
        return {"platform": ("up", "--port", "0", "--grpc-port", "0")}

    def management(self, service: str) -> str:
        """See `Shape.management`: the gateway answers for all."""
        return str(self.endpoint["url"])


class FiveProcesses(Shape):
    """Each service in a process of its own, mutual TLS between them."""

    name = "five processes"

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(data_dir, environment)
        self._certificates = data_dir.parent / "certificates"
        authority = Authority.at(self._certificates)
        for service in SERVICES:
            authority.issue(self._certificates / service, [service])
        ports = free_ports(2 * len(SERVICES))
        self._management = dict(zip(SERVICES, ports, strict=False))
        self._addresses = {
            service: f"127.0.0.1:{port}"
            for service, port in zip(SERVICES, ports[len(SERVICES) :], strict=True)
        }

    def commands(self) -> Mapping[str, Sequence[str]]:
        """See `Shape.commands`."""
        ports = {service: ("--management-port", str(port)) for service, port in self._management.items()}
        door = ("--port", "0", "--grpc-port", "0")
        return {
            service: ("serve", service, *ports[service], *(door if service == "gateway" else ()))
            for service in SERVICES
        }

    def environment_of(self, child: str) -> Mapping[str, str]:
        """See `Shape.environment_of`."""
        wires = {
            "QD_LISTEN": self._addresses[child],
            "QD_PEERS": json.dumps(self._addresses),
            "QD_TLS_DIRECTORY": str(self._certificates / child),
        }
        return {**self._environment, **wires}

    def management(self, service: str) -> str:
        """See `Shape.management`."""
        return f"http://127.0.0.1:{self._management[service]}"

    def kill_one(self, service: str) -> None:
        """Kills one service and everything below it."""
        kill_everything([child for child in self.children if child.name == service])

    def kill_below(self, service: str, words: str) -> int:
        """Kills what a service started and whose command line has these words; returns how many."""
        return sum(kill_below(child, words) for child in self.children if child.name == service)

    def start_again(self, *killed: str) -> None:
        """Starts services again that were killed, and waits until all are healthy."""
        self.children = [child for child in self.children if child.name not in killed]
        self.children += [self._spawn(service) for service in killed]
        self._wait_until_healthy(START_SECONDS)


class ManyWorkers(FiveProcesses):
    """Five services on real servers, of which agent-runtime has replicas that its callers share.

    Args:
        servers: settings that name the servers, such as QD_DATABASE_URL.
        count: how many replicas there are.
    """

    name = "many workers"

    def __init__(self, data_dir: Path, servers: Mapping[str, str], count: int) -> None:
        super().__init__(data_dir, servers)
        self.workers = [f"{RUNTIME}-{number}" for number in range(count)]
        ports = free_ports(2 * count)
        self._management |= dict(zip(self.workers, ports, strict=False))
        self._listen = {
            worker: f"127.0.0.1:{port}" for worker, port in zip(self.workers, ports[count:], strict=True)
        }
        self._addresses[RUNTIME] = f"ipv4:{','.join(self._listen.values())}"

    def commands(self) -> Mapping[str, Sequence[str]]:
        """See `Shape.commands`."""
        shared = {name: command for name, command in super().commands().items() if name != RUNTIME}
        replicas = {
            worker: ("serve", RUNTIME, "--management-port", str(self._management[worker]))
            for worker in self.workers
        }
        return {**shared, **replicas}

    def environment_of(self, child: str) -> Mapping[str, str]:
        """See `Shape.environment_of`."""
        if child not in self._listen:
            return super().environment_of(child)
        return {**super().environment_of(RUNTIME), "QD_LISTEN": self._listen[child]}

    def management(self, service: str) -> str:
        """See `Shape.management`: for the runtime, its first replica answers."""
        return super().management(self.workers[0] if service == RUNTIME else service)


SHAPES: Mapping[str, type[Shape]] = {shape.name: shape for shape in (OneProcess, FiveProcesses)}


@contextlib.contextmanager
def serving(shape: Shape) -> Iterator[Shape]:
    """Starts a platform for a block, and leaves nothing of it behind."""
    try:
        shape.start()
        yield shape
    finally:
        shape.kill()


def free_ports(count: int) -> list[int]:
    """Returns ports of the loopback interface on which nobody listens now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
