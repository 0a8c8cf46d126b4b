"""What is watched while a seed runs: nothing of the engine is asked, only what it does is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.simulation.hosts import Host
from quarterdeck.runtime.simulation.invariants import leaked, overdrawn
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.store import SharedStore
from quarterdeck.runtime.store.commits import Commit
from quarterdeck.runtime.store.packing import entries
from quarterdeck.v1 import tools_pb2

_HOLDER = "SELECT worker, epoch, seq, status FROM run_queue WHERE run_id = ?"
_LENGTH = "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = ?"
_JOURNAL = "SELECT seq, type, data, at FROM journal WHERE run_id = ? ORDER BY seq DESC"


class Oracles:
    """Watches every write and every call.

    Args:
        hosts: the workers that are alive.
        problems: where what is wrong is told.
        on_intent: told of a process whose intent to call a tool is durable now, before it knows.
    """

    def __init__(
        self,
        store: SharedStore,
        hosts: Callable[[], Iterable[Host]],
        problems: list[str],
        on_intent: Callable[[Process], None],
    ) -> None:
        self.commits = 0
        self.fenced = 0
        self._store = store
        self._hosts = hosts
        self._problems = problems
        self._on_intent = on_intent

    def witness(
        self, process: Process, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Callable[[Any], None] | None:
        """Looks at a write before it is made. See `store.Witness`."""
        units = list(_units(args))
        if not units:
            return None
        before = [(unit, self._is_holder(unit), self._length(unit)) for unit in units]
        # A worker that has claimed a run anew may write beside what is left of its former claim.
        rightful = {unit.run_id for unit, holder, _ in before if holder is not False}

        def afterwards(_result: Any) -> None:
            for unit, holder, length in before:
                if holder is False and unit.run_id in rightful:
                    self.commits, self.fenced = self.commits + 1, self.fenced + 1
                else:
                    self._look(process, function, unit, holder, length)

        return afterwards

    def _is_holder(self, unit: Commit) -> bool | None:
        """Returns whether the unit's writer holds its run; None for a run that is only now created."""
        rows = self._store.rows(_HOLDER, unit.run_id)
        if not rows:
            return None if unit.seq == 0 else False
        return rows[0] == (unit.worker, unit.epoch, unit.seq, "held")

    def _length(self, unit: Commit) -> int:
        return int(self._store.rows(_LENGTH, unit.run_id)[0][0])

    def _look(
        self, process: Process, function: Callable[..., Any], unit: Commit, holder: bool | None, length: int
    ) -> None:
        self.commits += 1
        appended = self._length(unit) - length
        if holder is False:
            self.fenced += 1
            if appended:
                self._problems.append(
                    f"a fenced worker appended {appended} events to {unit.run_id} ({function.__name__})"
                )
        elif appended not in (0, len(unit.events)):
            self._problems.append(f"{appended} of {len(unit.events)} events were appended to {unit.run_id}")
        elif process.is_alive:
            self._look_at_memory(process, unit)
            if appended and any(event.type == ev.EFFECT_INTENT for event in unit.events):
                self._on_intent(process)

    def _look_at_memory(self, process: Process, unit: Commit) -> None:
        """What the executor believes to be reserved is what is at work."""
        for host in self._hosts():
            executor = host.worker._executors.get(unit.run_id) if host.process is process else None
            if executor is None or executor._claim.epoch != unit.epoch:
                continue
            if too_much := leaked(executor._state):
                self._problems.append(f"run {unit.run_id} has {too_much} reserved for nothing")
            if over := overdrawn(executor._state):
                self._problems.append(f"run {unit.run_id} took {over}")

    def call(self, request: tools_pb2.CallToolRequest) -> None:
        """A call reaches the manager for the first time: its intent must be durable by now."""
        effect = request.call_id.partition(":")[2]
        recorded = (entry for row in self._store.rows(_JOURNAL, request.run_id) for entry in entries(*row))
        if not any(e.type == ev.EFFECT_INTENT and e.event().data["effect"] == effect for e in recorded):
            self._problems.append(f"call {request.call_id} of {request.tool} was made before its intent")


def _units(args: Iterable[Any]) -> Iterator[Commit]:
    for argument in args:
        if isinstance(argument, Commit):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from _units(argument)
