"""Runs of a newer release: this one leaves them alone, and says that they wait."""

from __future__ import annotations

from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.troubles import Troubles
from quarterdeck.runtime.store import queue

# Seconds for which a worker of the newer release may take its time.
PATIENCE = 10.0
_ABOUT = "newer release"


class NewerRuns:
    """The health check of runs that only workers of a newer release can advance.

    Such a run is left alone by the claims of this release, so that it becomes the oldest that is ready.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._troubles = Troubles("runs")

    async def check(self) -> None:
        """Raises Unavailable while such a run waits for long."""
        waiting = await self._database.read(queue.left_to_newer)
        if waiting is None or self._clock.now() - waiting[1] < PATIENCE:
            self._troubles.clear(_ABOUT)
        else:
            self._troubles.note(_ABOUT, told(waiting[0]))
        self._troubles.check()


def told(run_id: str) -> str:
    """Returns the problem in words."""
    return (
        f"run {run_id}, and perhaps others, was advanced by a newer release; it waits for a worker of that "
        "release, and goes on by itself when there is one"
    )
