"""Drives one side of a comparison: a process that stays and answers as `answers.py` says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Side:
    """One side's process."""

    def __init__(self, *command: str | Path) -> None:
        parts = [str(part) for part in command]
        self._process = subprocess.Popen(parts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a side of the comparison ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def rate(self, concurrency: int, runs: int) -> float:
        """Makes it do `runs` runs and returns how many it did in a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"concurrency": concurrency, "runs": runs}) + "\n")
        self._process.stdin.flush()
        return runs / float(self._answer()["seconds"])

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
