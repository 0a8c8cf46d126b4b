"""New runs out of unsuccessful ones, planned as rows: each goes on where its old one failed.

A child that succeeded is kept as it is, under the new parent; one that did not goes on where it failed, in
the same way as its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, literal, select

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.constants import RUN_TIMEOUT
from quarterdeck.runtime.operations.forking import LONGEST_JOURNAL, copied_event
from quarterdeck.runtime.operations.left_behind import Known, calls_of, with_outcomes
from quarterdeck.runtime.operations.rest import Carried, Family, Rest, go_on, rest_of
from quarterdeck.runtime.operations.rest_without import Undone
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.store.definitions import read_lane
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.tables import RUNS

# Child runs that one retry carries over.
MOST_CHILDREN = 10_000
_KEPT_COLUMNS = [column.name for column in RUNS.c]
# What a run has only once it is at work or over.
_FRESH = {
    "state": "pending",
    "reason": "",
    "output": b"",
    "error": b"",
    "cost": 0,
    "tokens": 0,
    "open_approvals": 0,
    "last_seq": 0,
    "started_at": None,
    "finished_at": None,
    "idempotency_key": None,
    "trigger_name": "",
}


@dataclass(slots=True)
class Growth:
    """The rows of new runs, the root's first, and how many events they were made from.

    `left_behind`: rows of old runs with calls of which no outcome was recorded.
    """

    events: int = 0
    new_runs: list[dict[str, Any]] = field(default_factory=list)
    ended_runs: list[dict[str, Any]] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    timers: list[dict[str, Any]] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    left_behind: list[tuple[Any, list[Effect]]] = field(default_factory=list)


def require_unsuccessful(row: Any) -> None:
    """Raises FailedPrecondition for a run that is not over, or has succeeded."""
    if row.finished_at is None:
        raise FailedPrecondition(
            f"run {row.run_id} is not over: {row.state}",
            hint="resume it, or cancel it first",
            reason="RunIsOpen",
        )
    if row.state == "succeeded":
        raise FailedPrecondition(
            f"run {row.run_id} has succeeded", hint="run it again from the beginning, or fork it"
        )


class Grower:
    """Plans the new runs of one tree.

    Args:
        by: who asks for it.
        new_id: makes a run's id.
        known: outcomes that were found out after the runs were over.
    """

    def __init__(
        self, connection: Connection, by: str, now: float, new_id: Callable[[], str], known: Known
    ) -> None:
        self._connection = connection
        self._by = by
        self._now = now
        self._new_id = new_id
        self._known = known
        self.growth = Growth()

    def grow(self, row: Any, new_id: str, place: Mapping[str, Any]) -> Rest:
        """Plans the new run for an unsuccessful one, and those below it.

        Args:
            row: the old run's, with `current_seq` and `priority`.
            place: the columns that say where the new run stands in its tree.

        Raises:
            FailedPrecondition: something of it was undone, or a run below it is not over.
        """
        journal = self._journal(row)
        self.growth.new_runs.append(self._new_row(row, new_id, place))
        try:
            rest = rest_of(new_id, journal) if journal else Rest([], RunState(run_id=new_id), [])
        except Undone as undone:
            raise _was_undone(row, undone) from None
        if len(rest.events) <= 1:  # it had hardly begun: it begins anew, with its input checked
            return Rest([], rest.state, [])
        below = {**place, "parent_run_id": new_id, "depth": place["depth"] + 1}
        carried = {family.key: self._carry(row, family, below) for family in rest.families}
        rest = go_on(new_id, rest, carried, self._by, str(place["parent_run_id"]), row.run_id)
        self._write(row.tenant_id, new_id, rest, journal[-1].at)
        return rest

    def _journal(self, row: Any) -> list[ev.Event]:
        self.growth.events += row.current_seq
        if self.growth.events > LONGEST_JOURNAL:
            raise InvalidArgument(f"a retry reads {LONGEST_JOURNAL} events at most", field="runId")
        entries = read_events(self._connection, row.tenant_id, row.run_id, 0, LONGEST_JOURNAL)
        journal = [entry.event() for entry in entries]
        if calls := calls_of(journal):
            self.growth.left_behind.append((row, calls))
        return with_outcomes(journal, self._known.get(row.run_id, {}))

    def _new_row(self, row: Any, new_id: str, place: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **{name: getattr(row, name) for name in _KEPT_COLUMNS},
            **_FRESH,
            **place,
            "run_id": new_id,
            "session": _session(row, place),
            "forked_from": f"{row.run_id}@{row.current_seq}",
            "created_at": self._now,
            "queue_status": "ready",
            "priority": -int(place["depth"]),
            **read_lane(self._connection, row),
        }

    def _write(self, tenant_id: str, new_id: str, rest: Rest, ended_at: float) -> None:
        growth, now = self.growth, self._now
        growth.lengths[new_id] = len(rest.events)
        for seq, event in enumerate(rest.events, 1):
            kept = copied_event(event)
            values = {"type": kept.type, "data": codec.dumps(kept.data), "at": kept.at or now}
            growth.journal.append({"run_id": new_id, "seq": seq, "tenant_id": tenant_id, **values})
        set_at = {event.data["timer"]: event.at for event in rest.events if event.type == ev.TIMER_SET}
        for name, timer in rest.state.timers.items():
            again = timer["purpose"] in ("timeout", RUN_TIMEOUT)  # all of its time, not what was left
            due = timer["due"] + now - (set_at[name] if again else ended_at)
            growth.timers.append({"run_id": new_id, "timer": name, "tenant_id": tenant_id, "due": due})

    def _carry(self, parent: Any, family: Family, place: Mapping[str, Any]) -> Carried:
        """Keeps the children of a step that succeeded, and lets the others go on where they failed."""
        carried = Carried()
        for child in self._children(parent, family):
            if len(self.growth.new_runs) + len(self.growth.ended_runs) > MOST_CHILDREN:
                raise FailedPrecondition(f"a retry carries {MOST_CHILDREN} child runs at most")
            spot = {**place, "parent_step": family.key, "item_index": child.item_index}
            carried.run = self._new_id()
            if child.state == "succeeded":
                carried.done += 1
                carried.output = codec.loads(child.output) if family.run and child.output else None
                self.growth.ended_runs.append(_ended_row(child, carried.run, spot))
            else:
                require_unsuccessful(child)
                self.grow(child, carried.run, spot)
        return carried

    def _children(self, parent: Any, family: Family) -> list[Any]:
        mine = (RUNS.c.parent_run_id == parent.run_id) & (RUNS.c.parent_step == family.key)
        # What is over has no place in the queue any more.
        query = select(RUNS, RUNS.c.last_seq.label("current_seq"), literal(0).label("priority"))
        query = query.where(mine, RUNS.c.tenant_id == parent.tenant_id)
        if family.run:
            query = query.where(RUNS.c.run_id == family.run)
        ordered = query.order_by(RUNS.c.item_index).limit(MOST_CHILDREN + 1)
        return list(self._connection.execute(ordered).all())


def _was_undone(row: Any, undone: Undone) -> FailedPrecondition:
    return FailedPrecondition(
        f"run {row.run_id} was undone: {', '.join(undone.nodes)}",
        hint="run it again from the beginning: what it did is not there any more",
        reason="Compensated",
    )


def _session(row: Any, place: Mapping[str, Any]) -> str:
    """Returns the session; that of a child is named after the root of its tree."""
    old, new = f"{row.root_run_id}/", f"{place['root_run_id']}/"
    session = str(row.session)
    return new + session.removeprefix(old) if session.startswith(old) else session


def _ended_row(child: Any, new_id: str, spot: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the row of a child that is kept. Its journal stays with the old one, which it names."""
    kept = {name: getattr(child, name) for name in _KEPT_COLUMNS}
    return {
        **kept,
        **spot,
        "run_id": new_id,
        "session": _session(child, spot),
        "forked_from": f"{child.run_id}@{child.last_seq}",
        "last_seq": 0,
        "cost": 0,
        "tokens": 0,
        "idempotency_key": None,
    }
