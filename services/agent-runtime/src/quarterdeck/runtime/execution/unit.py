"""From events to a commit: which rows beside the journal follow from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.constants import (
    HUGE_MAP,
    ITEM_WAKE_DELAY,
    LARGE_MAP,
    LATE_ITEM_WAKE_DELAY,
    LONGEST_ITEM_WAKE_DELAY,
    LONGEST_REASON,
)
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.commits import Commit
from quarterdeck.runtime.store.inbox import Delivery


@dataclass(slots=True)
class RunFacts:
    """What stays the same about a run while it lives: from its row.

    Attributes:
        epoch: that of the claim under which it is held; 0 for a run that nobody holds.
    """

    run_id: str
    tenant_id: str
    tenant: str
    kind: str
    name: str
    closure: str
    root_run_id: str
    parent_run_id: str
    parent_step: str
    item_index: int
    session: str
    gate: str
    priority: int
    depth: int
    principal: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)
    started: bool = False
    epoch: int = 0


def side_rows(
    unit: Commit,
    facts: RunFacts,
    events: Sequence[Event],
    state: RunState,
    now: float,
    asked: Iterable[str],
) -> None:
    """Fills `unit` with the timers, approvals and deliveries that `events` imply.

    `state` is the state after them; `asked` are the approvals that were open before.
    """
    timers, approvals = [], []
    unit.approvals_closed = withdrawn(asked, state, now)
    for event in events:
        if event.type == ev.TIMER_SET and event.data["timer"] in state.timers:
            timers.append(_timer_row(facts, event.data))
        elif event.type == ev.APPROVAL_REQUESTED:
            approvals.append(_approval_row(facts, event.data, now))
            unit.approvals_closed |= withdrawn([event.data["approval"]], state, now)
        elif event.type == ev.APPROVAL_DECIDED:
            unit.approvals_closed[event.data["approval"]] = _decision_row(event.data, now)
        elif event.type == ev.RUN_STOPPING:
            unit.cancel_children = str(event.data["error"].get("message", "the parent stops"))
    unit.timers, unit.approvals = timers, approvals


def withdrawn(asked: Iterable[str], state: RunState, now: float) -> dict[str, dict[str, Any]]:
    """Returns what becomes of the approvals that no step waits for any more, unless they were decided."""
    gone = {"state": "withdrawn", "decided_at": now}
    return {approval: gone for approval in asked if approval not in state.approvals}


def _timer_row(facts: RunFacts, data: dict[str, Any]) -> dict[str, Any]:
    return {"run_id": facts.run_id, "timer": data["timer"], "tenant_id": facts.tenant_id, "due": data["due"]}


def _approval_row(facts: RunFacts, data: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "approval_id": data["approval"],
        "tenant_id": facts.tenant_id,
        "tenant": facts.tenant,
        "run_id": facts.run_id,
        "root_run_id": facts.root_run_id,
        "node": data["node"],
        "source": data["source"],
        "title": data["title"],
        "summary": data["summary"],
        "data": codec.dumps(data["data"]),
        "data_hash": data["hash"],
        "policy": data["policy"],
        "editable": data["editable"],
        "state": "open",
        "created_at": now,
        "expires_at": data.get("expires"),
    }


def _decision_row(data: dict[str, Any], now: float) -> dict[str, Any]:
    state = "expired" if data.get("expired") else "approved" if data["approved"] else "rejected"
    return {
        "state": state,
        "decided_by": data.get("by", ""),
        "decided_at": now,
        "comment": data.get("comment", ""),
        "answer": codec.dumps(data["answer"]) if data.get("answer") is not None else b"",
    }


# What a run's row says that can change while the run lives.
CHANGING_COLUMNS = ("state", "reason", "cost", "tokens", "open_approvals", "closure")


def standing_row(state: RunState, facts: RunFacts) -> dict[str, Any]:
    """Returns the column values that follow from where a run stands."""
    return {
        "cost": state.spent,
        "tokens": state.tokens,
        "open_approvals": len(state.approvals),
        "closure": facts.closure,
    }


def started_row(now: float) -> dict[str, Any]:
    """Returns the column values of a run that begins."""
    return {"state": "running", "started_at": now, "reason": ""}


def finished_row(state: RunState, now: float, output: Any) -> dict[str, Any]:
    """Returns the column values of a run that is over. `output` may be an artifact reference."""
    return {
        "state": state.outcome,
        "reason": (state.error or {}).get("message", "")[:LONGEST_REASON],
        "output": codec.dumps(output) if output is not None else b"",
        "error": codec.dumps(state.error) if state.error else b"",
        "finished_at": now,
        "cost": state.spent,
        "tokens": state.tokens,
        "last_seq": state.seq,
        "open_approvals": 0,
    }


def item_wake_delay(index: int) -> float:
    """Returns for how long a map may leave the end of its item `index` unread (seconds).

    A map of a hundred thousand items would else look thousands of times, for a few items each.
    """
    if index < LARGE_MAP:
        return ITEM_WAKE_DELAY
    return LATE_ITEM_WAKE_DELAY if index < HUGE_MAP else LONGEST_ITEM_WAKE_DELAY


def parent_delivery(facts: RunFacts, state: RunState, output: Any) -> Delivery | None:
    """Returns what the parent is told when its child is over."""
    if not facts.parent_run_id:
        return None
    ok = state.outcome == "succeeded"
    data: dict[str, Any] = {"step": facts.parent_step, "cost": state.spent, "tokens": state.tokens}
    data["slice"] = facts.budget
    dedup = f"child:{facts.run_id}"
    if facts.item_index >= 0:
        data |= {"ok": ok} if ok else {"ok": ok, "error": state.error}
        return Delivery(
            facts.parent_run_id, facts.tenant_id, "item", data, delay=item_wake_delay(facts.item_index)
        )
    data |= {"run": facts.run_id, "state": state.outcome}
    data |= {"output": output} if ok else {"error": child_error(facts, state)}
    return Delivery(facts.parent_run_id, facts.tenant_id, "child", data, dedup=dedup)


def child_error(facts: RunFacts, state: RunState) -> dict[str, Any]:
    """Returns a child's error as its parent sees it: the same class, and who it was."""
    error = dict(state.error or ev.error_value("child", f"{facts.name} ended as {state.outcome}"))
    error.pop("run", None)
    error.pop("node", None)
    return {**error, "child": facts.run_id, "childName": facts.name}


def approvals_reason(count: int) -> str:
    """Returns the reason of a run that stands still for nothing but approvals."""
    return f"waiting for {count} approval{'s' if count > 1 else ''}"


def waiting_reason(state: RunState) -> str:
    """Returns in a few words what a parked run waits for."""
    if state.paused is not None:
        why = state.paused.get("reason")
        return f"paused: {why}"[:LONGEST_REASON] if why else "paused"
    for step in state.steps.values():
        if step.status == "parked":
            return f"{step.node}: {step.reason}"[:LONGEST_REASON]
    if state.approvals:
        return approvals_reason(len(state.approvals))
    if state.open_children:
        return f"waiting for {state.open_children} child run{'s' if state.open_children > 1 else ''}"
    for step in state.steps.values():
        if step.status == "delayed":
            return f"{step.node}: waiting to try again"
        if step.status == "waiting":
            signal = (step.params or {}).get("signal")
            return f"waiting for signal {signal}" if signal else f"{step.node}: waiting"
    return "waiting"
