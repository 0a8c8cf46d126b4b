"""Numbers of the engine that a simulation makes small, so that pages, batches and snapshots are used."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.definition import Definition, compile_definition
from quarterdeck.runtime.simulation.hosts import EPOCH
from quarterdeck.runtime.simulation.ticking import Ticks

_compiled: dict[tuple[str, str, bytes], Definition] = {}


def _compiled_once(kind: str, name: str, spec: Mapping[str, Any], turns: int) -> Definition:
    """Does what `compile_definition` does, once for all workers of all seeds: what it makes never changes."""
    key = (kind, name, codec.dumps(spec))
    if key not in _compiled:
        _compiled[key] = compile_definition(kind, name, spec, turns)
    return _compiled[key]


def _untraced(_facts: Any) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


# (module, name): value in a simulation.
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
    # The same for every worker of every seed; and traces are not what is simulated.
    ("engine", "compile_definition"): _compiled_once,
    ("execution.worker", "within"): _untraced,
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
