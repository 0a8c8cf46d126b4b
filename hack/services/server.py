"""What the three servers have in common."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from hack.services.process import Process

START_TIMEOUT = 90.0


def free_port() -> int:
    """Returns a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Server(ABC):
    """A server with its data below `directory`. `start`, and `stop` and start again, keep port and data."""

    name: ClassVar[str]
    variable: ClassVar[str]
    account: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM

    directory: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(12))
    processes: list[Process] = field(default_factory=list)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @classmethod
    @abstractmethod
    def program(cls) -> Path:
        """Returns the program that serves; it, and the account it runs as, are installed if need be."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes configuration and empty data below `directory`."""

    @abstractmethod
    def launch(self) -> list[Process]:
        """Starts its processes, the one that serves last."""

    @abstractmethod
    def answers(self) -> bool:
        """Says whether it serves."""

    @classmethod
    def create(cls, parent: Path) -> Self:
        """Returns a server that serves, with empty data in a new folder of `parent`."""
        cls.program()
        directory = parent / f"{cls.name}-{secrets.token_hex(4)}"
        directory.mkdir(mode=0o700)
        server = cls(directory)
        if user := server.user():
            entry = pwd.getpwnam(user)
            os.chown(directory, entry.pw_uid, entry.pw_gid)
        try:
            server.prepare()
            server.start()
        except BaseException:
            server.remove()
            raise
        return server

    @classmethod
    def user(cls) -> str | None:
        """Returns the unprivileged account it runs as: its own when we are root, else ours."""
        if os.getuid() != 0:
            return None
        try:
            pwd.getpwnam(cls.account)
        except KeyError:
            return "nobody"
        return cls.account

    def start(self) -> None:
        """Starts it and waits until it serves. Raises RuntimeError with the end of its log otherwise."""
        self._note(self.launch())
        until = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if time.monotonic() > until or not self.processes[-1].alive():
                raise RuntimeError(f"{self.name} did not start: {self._end_of_log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends its processes, the one that serves first, and keeps the data."""
        for process in reversed(self.processes):
            process.stop(self.stop_signal)
        self._note([])

    def kill(self) -> None:
        """Ends it as a power cut would, without a word."""
        for process in reversed(self.processes):
            process.stop(signal.SIGKILL)
        self._note([])

    def remove(self) -> None:
        """Ends it and removes its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _note(self, processes: list[Process]) -> None:
        """Keeps the ids beside the data, so that whoever finds these can end those."""
        self.processes = processes
        noted = [asdict(process) for process in processes]
        (self.directory / "processes.json").write_text(json.dumps(noted))

    def alive(self) -> bool:
        """Says whether its process is there."""
        return bool(self.processes) and self.processes[-1].alive()

    @property
    def log(self) -> Path:
        """The file its output goes to."""
        return self.directory / "server.log"

    def _end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "it left no log"

    def to_json(self) -> dict[str, Any]:
        """Returns what `from_json` needs to find it again."""
        return {**asdict(self), "directory": str(self.directory), "url": self.url}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Returns the server that `to_json` described, with the processes it has now."""
        known = {key: value for key, value in data.items() if key not in {"url", "processes"}}
        server = cls(**{**known, "directory": Path(known["directory"])})
        noted = server.directory / "processes.json"
        server.processes = [Process(**one) for one in json.loads(noted.read_text())] if noted.exists() else []
        return server


def exchange(port: int, request: bytes) -> bytes:
    """Sends a request to a local port and returns the first bytes of the answer, empty when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(request)
            return connection.recv(64)
    except OSError:
        return b""
