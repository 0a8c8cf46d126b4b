"""Processes that outlive whoever started them, and are ended by their id alone."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its id, and when it began, so that a later process of the same id is not taken for it."""

    pid: int
    began: str

    def alive(self) -> bool:
        """Says whether it still runs."""
        return bool(self.began) and began(self.pid) == self.began

    def send(self, number: int) -> None:
        """Sends it a signal; nothing happens when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, first: int, patience: float = 15.0) -> None:
        """Asks it to end, waits, and then makes it."""
        self.send(first)
        if not self._gone_within(patience):
            self.send(signal.SIGKILL)
            self._gone_within(patience)

    def _gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def spawn(command: list[str], log: Path, environment: dict[str, str], user: str | None) -> Process:
    """Starts a process in a session of its own, as `user` when one is given, with its output in `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env={**_plain_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            **_as(user),
        )
    return Process(child.pid, began(child.pid))


def run(command: list[str], environment: dict[str, str], user: str | None, cwd: Path) -> str:
    """Runs a command to its end and returns what it printed. Raises RuntimeError with that if it failed."""
    done = subprocess.run(
        command,
        check=False,
        env={**_plain_environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        **_as(user),
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} failed ({done.returncode}): {done.stdout.strip()}")
    return done.stdout


def _as(user: str | None) -> _Account:
    """Returns the arguments that make a child run as `user`, without any other group."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _plain_environment() -> dict[str, str]:
    """Only what a server needs: nothing of the caller's may change what it does."""
    return {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}


def began(pid: int) -> str:
    """Returns when a process began, empty when there is none (or only its remains)."""
    with contextlib.suppress(ChildProcessError):  # ours, and over: take note, or it stays as a zombie
        os.waitpid(pid, os.WNOHANG)
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.strip()
    state, _, began = found.partition(" ")
    return "" if state.startswith("Z") else " ".join(began.split())
