"""Workers that are forked from a process that has imported all they need: a restart costs no imports."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e_kit.process import Child

SERVER = Path(__file__).resolve().parents[1] / "servers/fork_server.py"
# How a process ended that somebody else started is not known.
ENDED = -1


class Forked:
    """A process that another one forked, with what is asked of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._handle = os.pidfd_open(pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def poll(self) -> int | None:
        """Returns None until it has ended."""
        return ENDED if self._has_ended(0.0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it has ended, `timeout` seconds at most. Raises subprocess.TimeoutExpired."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(f"process {self._pid}", timeout or 0.0)
        return ENDED

    def send_signal(self, sig: int) -> None:
        """Sends it a signal. Raises ProcessLookupError when it has ended."""
        signal.pidfd_send_signal(self._handle, signal.Signals(sig))

    def kill(self) -> None:
        """Sends SIGKILL, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        return bool(select.select([self._handle], [], [], timeout)[0])

    def __del__(self) -> None:
        os.close(self._handle)


@dataclass(slots=True)
class ForkServer:
    """The process that forks; see `servers/fork_server.py`."""

    process: subprocess.Popen[str]

    def spawn(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> Child:
        """Starts `qd` with these arguments; what it prints is added to the file `output`."""
        assert self.process.stdin is not None
        output.touch()
        wish = {"arguments": list(arguments), "environment": dict(environment), "output": str(output)}
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()
        return Child(name, Forked(int(self.answer())), output)

    def answer(self) -> str:
        """Returns its next line. Raises AssertionError when it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, "the fork server has ended"
        return line


@contextlib.contextmanager
def fork_server(environment: Mapping[str, str]) -> Iterator[ForkServer]:
    """Starts one, for a block, and waits until it can fork.

    Args:
        environment: what importing may look at.
    """
    quiet = {**environment, "GRPC_VERBOSITY": "NONE"}  # as the first command would set it
    process = subprocess.Popen(
        [sys.executable, str(SERVER)],
        env=quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        server = ForkServer(process)
        assert server.answer() == "ready"
        yield server
    finally:
        process.kill()
        process.wait()
