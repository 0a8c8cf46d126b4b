"""Runs suites of cases, one after the other, and keeps what is reported."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.cli.testing.expecting import Mismatch, mismatches
from quarterdeck.cli.testing.playing import Played, play
from quarterdeck.cli.testing.project import read_project
from quarterdeck.cli.testing.reading import LocatedCase, Suite

# A file system in memory, where there is one: a commit there costs no write to a disk.
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case; `seconds` is real time."""

    located: LocatedCase
    played: Played
    mismatches: Sequence[Mismatch]
    seconds: float

    @property
    def name(self) -> str:
        """The case's name."""
        return self.located.case.name

    @property
    def ok(self) -> bool:
        """True if everything is as expected."""
        return not self.mismatches

    def lines(self) -> list[str]:
        """Returns what differs, each with its place in the case file."""
        return [f"{self.located.place(m.path)}: {_at(m.path)}{m.message}" for m in self.mismatches]


def scratch_folder() -> Path | None:
    """Returns where databases are written that nobody keeps: in memory if possible; None: the usual place."""
    return MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK) else None


def _at(path: str) -> str:
    return f"{path}: " if path else ""


async def run_suites(suites: Sequence[Suite], report: Callable[[Result], None]) -> list[Result]:
    """Runs every case; `report` hears of each at once. Raises CliError for manifests that are refused."""
    results, scratch = [], scratch_folder()
    for suite in suites:
        project = read_project(suite.manifests)
        for located in suite.cases:
            began = time.perf_counter()
            with tempfile.TemporaryDirectory(prefix="qd-test-", dir=scratch) as folder:
                played = await play(located.case, project, Path(folder))
            found = mismatches(located.case.expect, played)
            results.append(Result(located, played, found, time.perf_counter() - began))
            report(results[-1])
    return results
