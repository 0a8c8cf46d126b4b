"""`qd demo` on a folder of a test's own: started, killed, started again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from e2e_kit.ledger import Books, read_books, uncertain_approvals
from e2e_kit.month import Example, copy_example
from e2e_kit.process import Child, clean_environment, kill_everything, left_over, spawn, wait_for_end

# How long every booking waits between its commit and its answer, so that a kill can be placed there.
PAUSE_SECONDS = 0.25
DEMO_SECONDS = 240.0


class Demo:
    """The demo on a data directory of its own, as often as it takes.

    Args:
        folder: holds the data directory, a copy of the example and what was printed.
        month: the month that is matched.
    """

    def __init__(self, folder: Path, month: Path) -> None:
        self.data_dir = folder / "data"
        self.ledger = self.data_dir / "ledger.db"
        self._marker = folder / "committed.json"
        self._screen = folder / "screen.txt"
        self.example: Example = copy_example(
            folder / "example",
            month,
            self.ledger,
            {
                "LEDGER_PAUSE_AFTER_COMMIT_SECONDS": str(PAUSE_SECONDS),
                "LEDGER_COMMIT_MARKER": str(self._marker),
            },
        )

    def start(self) -> Child:
        """Starts it, for the first time or again."""
        self._marker.unlink(missing_ok=True)
        words = ("demo", "--example", self.example.folder, "--port", "0", "--grpc-port", "0")
        return spawn("demo", words, clean_environment(self.data_dir), self._screen)

    @contextlib.contextmanager
    def started(self) -> Iterator[Child]:
        """Starts it for a block, and leaves nothing of it behind."""
        child = self.start()
        try:
            yield child
        finally:
            kill_everything([child])

    def just_committed(self) -> int:
        """Returns the id of the last booking that this start committed; 0 before the first."""
        try:
            return int(json.loads(self._marker.read_text())["booking"])
        except (OSError, ValueError):
            return 0

    def finish(self) -> Books:
        """Runs it to its end and returns the ledger.

        Raises AssertionError if it fails, leaves a process behind, or asks a person about an effect.
        """
        with self.started() as child:
            code = wait_for_end(child, DEMO_SECONDS)
        assert code == 0, f"qd demo ended with {code}:\n{child.text()}"
        assert not left_over(self.data_dir), left_over(self.data_dir)
        assert not uncertain_approvals(self.data_dir), child.text()
        return read_books(self.ledger)
