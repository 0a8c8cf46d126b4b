"""Inbox rows become journal events. Pure; what no longer matters becomes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.inbox import InboxRow

EXPIRY = "expiry:"


def to_events(state: RunState, rows: Sequence[InboxRow]) -> list[ev.Event]:
    """Returns the events for inbox rows in their order; ended map items are folded into one a step."""
    events: list[ev.Event] = []
    progress: dict[str, dict[str, Any]] = {}
    paused = state.paused is not None
    for row in rows:
        if row.kind == "item":
            _count_item(progress, row.data)
        elif row.kind in _STEERING:
            if paused != (row.kind == "pause"):  # a parent may say what somebody said before
                events.append(ev.Event(_STEERING[row.kind], row.data))
        else:
            events.extend(_event(state, row))
        paused = _PAUSES.get(row.kind, paused)
    events.extend(ev.Event(ev.CHILDREN_PROGRESS, data) for data in progress.values())
    return events


def _count_item(progress: dict[str, dict[str, Any]], data: dict[str, Any]) -> None:
    empty = {"step": data["step"], "done": 0, "failed": 0, "cost": 0, "tokens": 0, "slice": {}}
    counted = progress.setdefault(data["step"], empty)
    counted["done" if data["ok"] else "failed"] += 1
    counted["cost"] += data["cost"]
    counted["tokens"] += data["tokens"]
    for what, amount in data.get("slice", {}).items():
        counted["slice"][what] = counted["slice"].get(what, 0) + amount
    if not data["ok"]:
        counted.setdefault("error", data.get("error"))


def _event(state: RunState, row: InboxRow) -> list[ev.Event]:
    data = row.data
    if row.kind == "timer":
        return _timer(state, data["timer"])
    if row.kind == "approval":
        return [ev.Event(ev.APPROVAL_DECIDED, data)] if data["approval"] in state.approvals else []
    if row.kind == "resume":
        return _resume(state, data)
    return [ev.Event(_PLAIN[row.kind], data)]


_STEERING = {"pause": ev.RUN_PAUSED, "unpause": ev.RUN_RESUMED}
# Whether a run is paused after a delivery that says something about it.
_PAUSES = {"pause": True, "unpause": False, "resume": False, "cancel": False}
_PLAIN = {
    "cancel": ev.CANCEL_REQUESTED,
    "signal": ev.SIGNAL_RECEIVED,
    "child": ev.CHILD_FINISHED,
    "repin": ev.RUN_REPINNED,
}


def _timer(state: RunState, timer: str) -> list[ev.Event]:
    if timer not in state.timers:
        return []
    fired = ev.Event(ev.TIMER_FIRED, {"timer": timer})
    approval = timer.removeprefix(EXPIRY)
    if not timer.startswith(EXPIRY) or approval not in state.approvals:
        return [fired]
    expired = {"approval": approval, "approved": False, "by": "", "comment": "", "expired": True}
    return [fired, ev.Event(ev.APPROVAL_DECIDED, expired)]


def _resume(state: RunState, data: dict[str, Any]) -> list[ev.Event]:
    """A person resumes: parked steps look again, and an uncertain effect gets its resolution."""
    events = [ev.Event(ev.RUN_RESUMED, {"by": data.get("by", "")})]
    if not data.get("resolution"):
        return events
    answer = {"resolution": data["resolution"], "outcome": data.get("outcome")}
    for approval, step_id in state.approvals.items():
        step = state.steps[step_id]
        effect = (step.error or {}).get("effect", "")
        if step.reason == "effect" and data.get("effect") in ("", None, effect):
            decided = {
                "approval": approval,
                "approved": data["resolution"] != "fail",
                "by": data.get("by", ""),
                "comment": "",
                "answer": answer,
            }
            events.append(ev.Event(ev.APPROVAL_DECIDED, decided))
    return events
