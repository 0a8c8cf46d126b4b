"""Drives one side of a comparison: a process that stays and answers as `answers.py` says."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

# Seconds that an answer may take.
PATIENCE = 300.0


class Side:
    """One side's process."""

    def __init__(self, *command: str | Path) -> None:
        parts = [str(part) for part in command]
        self._process = subprocess.Popen(parts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        patience = threading.Timer(PATIENCE, self._process.kill)
        patience.start()
        try:
            while line := self._process.stdout.readline():
                if line.startswith("{"):  # a peer may greet first
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        finally:
            patience.cancel()
        raise RuntimeError(f"a side of the comparison ended, or was too slow: {self._process.args!r}")

    def ask(self, concurrency: int, runs: int) -> None:
        """Makes it begin `runs` runs; `answer` waits for their end."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"concurrency": concurrency, "runs": runs}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Returns what it measured: "seconds", and whatever else this side says."""
        return self._read()

    def rate(self, concurrency: int, runs: int) -> float:
        """Makes it do `runs` runs and returns how many it did in a second."""
        self.ask(concurrency, runs)
        return runs / float(self.answer()["seconds"])

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
