"""How long the runs of a killed worker stand still: from its death to another worker's epoch."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from chaos_kit.database import Database

HELD = "SELECT worker, run_id, epoch FROM agent_runtime.run_queue WHERE status = 'held'"
NOW = "SELECT run_id, epoch, status, worker FROM agent_runtime.run_queue WHERE run_id = ANY($1)"
PERIOD = 0.1
PATIENCE = 60.0


@dataclass(slots=True)
class TakeOvers:
    """Follows each death in a thread of its own. `seconds` has a figure for each run that was held.

    Args:
        database: the test's own connection to the runtime's tables.
    """

    database: Database
    seconds: list[float] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    _held: dict[str, int] = field(default_factory=dict)
    _died: float = 0.0
    _threads: list[threading.Thread] = field(default_factory=list)

    def dies(self, pid: int) -> None:
        """Notes what the worker in a process holds just before it is killed."""
        rows = [row for row in self.database.rows(HELD) if f"-{pid}-" in row["worker"]]
        self._held = {row["run_id"]: row["epoch"] for row in rows}
        self._died = time.monotonic()

    def follow(self) -> None:
        """Measures, in the background, until every run of the worker that just died goes on."""
        watch = threading.Thread(target=self._watch, args=(dict(self._held), self._died), daemon=True)
        watch.start()
        self._threads.append(watch)

    def join(self) -> None:
        """Waits for what is still being followed."""
        for thread in self._threads:
            thread.join(PATIENCE)

    def _watch(self, held: dict[str, int], died: float) -> None:
        try:
            while held and time.monotonic() - died < PATIENCE:
                self._look(held, died)
                time.sleep(PERIOD)
        finally:  # what could not be followed to its end is no success
            self.never += held

    def _look(self, held: dict[str, int], died: float) -> None:
        rows = {row["run_id"]: row for row in self.database.rows(NOW, list(held))}
        for run in list(held):
            row = rows.get(run)
            if row is None or row["epoch"] > held[run] or row["status"] in ("parked", "quarantined"):
                self.seconds.append(time.monotonic() - died)
                del held[run]
