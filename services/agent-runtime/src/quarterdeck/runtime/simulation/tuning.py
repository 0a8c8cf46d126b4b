"""Numbers of the engine that a simulation makes small, so that pages, batches and snapshots are used."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from quarterdeck.runtime.simulation.hosts import EPOCH
from quarterdeck.runtime.simulation.ticking import Ticks

# (module, constant): value in a simulation.
_SMALL: dict[tuple[str, str], Any] = {
    ("execution.committing", "SNAPSHOT_EVERY"): 12,
    ("execution.committing", "CHILD_PAGE"): 2,
    ("execution.committing", "EVENTS_PER_COMMIT"): 24,
    ("planner.nodes.children", "CHILD_PAGE"): 2,
    ("execution.executor", "DECISIONS_PER_TURN"): 3,
    ("execution.executor", "INBOX_PAGE"): 2,
    ("execution.unit", "LARGE_MAP"): 3,
    ("execution.unit", "HUGE_MAP"): 5,
    ("execution.executor", "LARGE_MAP"): 4,
    ("execution.joining", "PAGE"): 2,
    ("execution.loading", "JOURNAL_PAGE"): 6,
    ("execution.timers", "BATCH"): 3,
    (
        "planner.recovery",
        "MAX_APPROVAL_BYTES",
    ): 1_000_000,  # what is too large is found out later, by the journal
    ("triggers.due", "cron"): Ticks(EPOCH),
    ("triggers.store", "cron"): Ticks(EPOCH),
    # Not small: timers of other workers are looked for less often, which costs a simulation little truth.
    ("execution.timers", "LONGEST_SLEEP"): 1.0,
}


@contextlib.contextmanager
def tuned() -> Iterator[None]:
    """Within this context the engine works in small pages."""
    before = {}
    for (module_name, name), value in _SMALL.items():
        module = importlib.import_module(f"quarterdeck.runtime.{module_name}")
        before[module, name] = getattr(module, name)
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)
