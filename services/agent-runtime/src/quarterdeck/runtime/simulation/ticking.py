"""Triggers of a simulation: schedules of seconds, so that a few due times fall into one seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from sqlalchemy import Connection

from quarterdeck.common import codec
from quarterdeck.runtime.simulation.store import SharedStore
from quarterdeck.runtime.testing.harness import TENANT
from quarterdeck.runtime.triggers import store
from quarterdeck.runtime.triggers.cron import Schedule

# Seconds between two due times, and how many there are.
STEP, TICKS = 3.0, 4
_TRIGGERS = "SELECT name, fired, skipped, wake_at FROM triggers"
_RUNS = """
SELECT idempotency_key, created_at, finished_at FROM runs WHERE trigger_name = ? AND forked_from = ''
ORDER BY created_at
"""


class Ticks:
    """In the place of the module that reads schedules: every few seconds, and not for ever."""

    def __init__(self, began: float) -> None:
        self._began = began

    def next_after(self, schedule: Schedule, moment: float) -> float | None:
        """Returns the first due time after a moment."""
        number = max(1, int((moment - self._began) // STEP) + 1)
        return self._began + number * STEP if number <= TICKS else None

    def skip_until(
        self, schedule: Schedule, due: float, moment: float, limit: int
    ) -> tuple[int, float | None]:
        """Returns how many due times from one on lie before a moment, and the first that does not."""
        missed, following = 0, self.next_after(schedule, due - 0.001)
        while following is not None and following < moment:
            missed, following = missed + 1, self.next_after(schedule, following)
        return missed, following


def declare(connection: Connection, chance: random.Random, began: float) -> None:
    """Declares a trigger or two, of any overlap rule."""
    for overlap in chance.sample(("allow", "skip", "queue", "replace"), chance.randint(0, 2)):
        target = {"kind": "Workflow", "name": chance.choice(("chain", "waiting", "parked"))}
        spec = {"target": target, "cron": {"schedule": "* * * * *", "overlap": overlap}}
        store.declare(connection, (TENANT.id, TENANT.name), f"tick-{overlap}", codec.dumps(spec), began)


def violations(shared: SharedStore) -> Iterator[str]:
    """Every due time was fired or skipped, once, and what may not overlap did not."""
    for name, fired, skipped, wake_at in shared.rows(_TRIGGERS):
        runs = shared.rows(_RUNS, name)
        if wake_at is not None:
            yield f"trigger {name} still waits for {wake_at}"
        elif fired + skipped != TICKS:
            yield f"trigger {name} fired {fired} and skipped {skipped} of {TICKS} times"
        if fired != len(runs):
            yield f"trigger {name} fired {fired} times, and there are {len(runs)} runs"
        if name == "tick-skip":
            yield from _overlaps(name, runs)


def _overlaps(name: str, runs: list[tuple[str, float, float | None]]) -> Iterator[str]:
    for earlier, later in itertools.pairwise(runs):
        if earlier[2] is None:
            yield f"trigger {name}: {later[0]} began before {earlier[0]} had ended"
