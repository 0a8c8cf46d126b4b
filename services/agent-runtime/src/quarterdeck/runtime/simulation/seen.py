"""The runs of a seed as they stand in the tables when it is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.simulation.store import SharedStore
from quarterdeck.runtime.store.packing import entries

_RUNS = """
SELECT r.run_id, r.kind, r.name, r.state, r.reason, r.last_seq, r.cost, r.tokens, r.finished_at IS NOT NULL,
       r.parent_run_id, q.status, q.worker, q.seq, r.idempotency_key, r.error, r.forked_from
FROM runs r LEFT JOIN run_queue q ON q.run_id = r.run_id ORDER BY r.run_id
"""
_JOURNAL = "SELECT run_id, seq, type, data, at FROM journal ORDER BY run_id, seq"
_ONE_JOURNAL = "SELECT run_id, seq, type, data, at FROM journal WHERE run_id = ? ORDER BY seq"
_RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Characters of an event that are shown.
LONGEST_LINE = 400
# How the idempotency key begins under which clients fork.
FORK = "fork-"


@dataclass(slots=True)
class Seen:
    """One run as it stands at the end. `calls`: (effect's id, tool, key, status), status empty if open."""

    run_id: str
    kind: str
    name: str
    state: str
    reason: str
    last_seq: int
    cost: int
    tokens: int
    is_over: bool
    parent: str
    status: str | None
    worker: str | None
    seq: int | None
    key: str | None
    error: bytes
    forked_from: str
    events: list[ev.Event] = field(default_factory=list)
    has_gap: bool = False
    calls: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def is_carried(self) -> bool:
        """True for a child that had succeeded before its parent was retried: its journal is the old one's."""
        return bool(self.parent and self.forked_from and self.state == "succeeded" and not self.last_seq)

    @property
    def is_fork(self) -> bool:
        """True for a run that began with a part of another one's journal, as it was."""
        return (self.key or "").startswith(FORK)

    @property
    def _retried(self) -> list[int]:
        return [index for index, event in enumerate(self.events) if event.data.get("retry_of")]

    @property
    def own(self) -> list[ev.Event]:
        """Returns the events of what it did itself."""
        copied = int(self.forked_from.partition("@")[2]) if self.is_fork else max(self._retried, default=0)
        return self.events[copied:]

    @property
    def title(self) -> str:
        """Returns what to call it."""
        return f"{self.kind} {self.name} {self.run_id} ({self.state})"


def read_runs(store: SharedStore) -> dict[str, Seen]:
    """Returns every run with its journal."""
    runs = {row[0]: Seen(*row) for row in store.rows(_RUNS)}
    for run_id, *row in store.rows(_JOURNAL):
        run = runs[run_id]
        for entry in entries(*row):
            run.events.append(entry.event())
            run.has_gap = run.has_gap or entry.seq != len(run.events)
    for run in runs.values():
        run.calls = list(_calls(run.own))
    return runs


def journals(store: SharedStore, problems: list[str]) -> list[str]:
    """Returns the journals of the runs that these words name."""
    lines = []
    for run_id in sorted(set(_RUN_ID.findall(" ".join(problems)))):
        lines.append(f"journal of {run_id}")
        recorded = (entry for _, *row in store.rows(_ONE_JOURNAL, run_id) for entry in entries(*row))
        lines += [f"{e.at:18.3f} {e.seq:4} {e.type} {e.data.decode()[:LONGEST_LINE]}" for e in recorded]
    return lines


def _calls(events: list[ev.Event]) -> Iterator[tuple[str, str, str, str]]:
    outcomes = {e.data["effect"]: e.data["status"] for e in events if e.type == ev.EFFECT_OUTCOME}
    for event in events:
        if event.type == ev.EFFECT_INTENT and event.data["kind"] == "tool":
            data = event.data
            key = str((data.get("arguments") or {}).get("key", ""))
            yield data["effect"], data["target"]["tool"], key, outcomes.get(data["effect"], "")
