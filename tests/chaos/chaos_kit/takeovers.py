"""How long the runs of a killed worker stand still: from its death to another worker's epoch."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from chaos_kit.database import Database
from chaos_kit.standstills import Look, Standstill

HELD = "SELECT worker, run_id, epoch, attempts FROM agent_runtime.run_queue WHERE status = 'held'"
NOW = """
    SELECT run_id, epoch, status, worker, attempts, (
        SELECT min(held) FROM (
            SELECT count(q.run_id) AS held FROM agent_runtime.workers w
            LEFT JOIN agent_runtime.run_queue q ON q.worker = w.worker AND q.status = 'held'
            WHERE w.worker <> $2 GROUP BY w.worker
        ) AS living
    ) AS company
    FROM agent_runtime.run_queue WHERE run_id = ANY($1)
"""
PERIOD = 0.1
PATIENCE = 60.0


@dataclass(slots=True)
class TakeOvers:
    """Follows each death in a thread of its own.

    Args:
        database: the test's own connection to the runtime's tables.
    """

    database: Database
    standstills: list[Standstill] = field(default_factory=list)
    _held: list[Standstill] = field(default_factory=list)
    _dead: str = ""
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        """A figure for each run that was held and went on."""
        return [one.resumed for one in self.standstills if one.resumed is not None]

    @property
    def never(self) -> list[str]:
        """Runs that were not seen to go on."""
        return [one.run for one in self.standstills if one.resumed is None]

    def dies(self, pid: int) -> None:
        """Notes what the worker in a process holds just before it is killed."""
        rows = [row for row in self.database.rows(HELD) if f"-{pid}-" in row["worker"]]
        self._dead = rows[0]["worker"] if rows else ""
        died = time.monotonic()
        self._held = [Standstill(row["run_id"], row["epoch"], row["attempts"], died) for row in rows]

    def follow(self) -> None:
        """Measures, in the background, until every run of the worker that just died goes on."""
        self.standstills += self._held
        watch = threading.Thread(target=self._watch, args=(self._held, self._dead), daemon=True)
        watch.start()
        self._threads.append(watch)

    def join(self) -> None:
        """Waits for what is still being followed."""
        for thread in self._threads:
            thread.join(PATIENCE)

    def _watch(self, held: list[Standstill], dead: str) -> None:
        still = held
        while still and time.monotonic() - still[0].died < PATIENCE:
            rows = {row["run_id"]: row for row in self.database.rows(NOW, [one.run for one in still], dead)}
            at = time.monotonic() - still[0].died
            for one in still:
                _look(one, rows.get(one.run), at)
            still = [one for one in still if one.resumed is None]
            time.sleep(PERIOD)


def _look(one: Standstill, row: Any, at: float) -> None:
    if row is not None:
        one.see(Look(at, row["status"], row["worker"], row["attempts"], row["company"] or 0))
    if one.is_over(row):
        one.resumed = at
