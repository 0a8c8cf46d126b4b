"""A server program as a child process: started, frozen, killed, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PATIENCE = 10.0


class Daemon:
    """A program with its log in a file.

    Args:
        command: the program and its arguments.
        log: appended to.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; it dies with this process group's leader at the latest by `kill`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def ended(self) -> int | None:
        """The exit code once it has ended, else None."""
        return None if self._process is None else self._process.poll()

    def freeze(self) -> None:
        """Stops its clock: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen one go on."""
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it at once and waits for that."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait, _PATIENCE)

    def log_tail(self) -> str:
        """Returns the last of its log, for error messages."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
