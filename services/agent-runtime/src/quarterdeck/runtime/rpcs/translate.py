"""Rows to messages of the contracts, and words to enums. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from quarterdeck.common import codec
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.selectors import parse
from quarterdeck.runtime.store.runs import LabelTest
from quarterdeck.runtime.store.trees import Totals
from quarterdeck.runtime.streaming.live import Live
from quarterdeck.v1 import approvals_pb2, runs_pb2

RUN_STATES = {
    word: runs_pb2.RunState.Value(f"RUN_STATE_{word.upper().replace('-', '_')}")
    for word in (
        "pending",
        "running",
        "waiting",
        "succeeded",
        "failed",
        "cancelled",
        "timed-out",
        "quarantined",
    )
}
STATE_WORDS: dict[int, str] = {value: word for word, value in RUN_STATES.items()}

APPROVAL_STATES = {
    word: approvals_pb2.ApprovalState.Value(f"APPROVAL_STATE_{word.upper()}")
    for word in ("open", "approved", "rejected", "expired", "withdrawn")
}
APPROVAL_WORDS: dict[int, str] = {value: word for word, value in APPROVAL_STATES.items()}


def run_message(row: Row[Any], found: Totals | None = None, archived: str = "") -> runs_pb2.Run:
    """Returns a run as clients see it.

    Args:
        found: what it amounts to with those open below it.
        archived: why its journal is, if it is.
    """
    amounts = found or Totals(row.open_approvals, row.cost, row.tokens)
    return runs_pb2.Run(
        id=row.run_id,
        tenant=row.tenant,
        kind=row.kind,
        name=row.name,
        revision=row.revision,
        state=RUN_STATES[row.state],
        reason=row.reason or queued_reason(row),
        parent_run_id=row.parent_run_id,
        root_run_id=row.root_run_id,
        session=row.session,
        key=row.run_key,
        labels=codec.loads(row.labels),
        input_json=row.input,
        output_json=row.output,
        error_json=row.error,
        last_seq=row.current_seq,
        cost_micro_usd=amounts.cost,
        tokens=amounts.tokens,
        principal=codec.loads(row.principal)["subject"],
        created_at=rfc3339(row.created_at),
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at),
        parent_node=row.parent_step,
        item_index=row.item_index,
        forked_from=row.forked_from,
        open_approvals=amounts.approvals,
        trigger=row.trigger_name,
        archived=archived,
    )


def queued_reason(row: Row[Any]) -> str:
    """Returns what a run that has not begun waits for; empty for one that has."""
    if row.state != "pending":
        return ""
    if row.queue_status != "gated":
        return "waiting for a worker"
    key = f"the run before it with key {row.run_key!r}" if row.run_key else ""
    turn = f"its turn in session {row.session!r}" if row.session else ""
    return f"waiting for {' and '.join(filter(None, (key, turn))) or 'its turn'}"


def event_message(run_id: str, event: Live) -> runs_pb2.RunEvent:
    """Returns an event as clients see it."""
    return runs_pb2.RunEvent(
        run_id=run_id, seq=event.seq, type=event.type, data_json=event.data, at=rfc3339(event.at)
    )


def approval_message(row: Row[Any]) -> approvals_pb2.Approval:
    """Returns an approval as clients see it."""
    return approvals_pb2.Approval(
        id=row.approval_id,
        tenant=row.tenant,
        run_id=row.run_id,
        root_run_id=row.root_run_id,
        node=row.node,
        source=row.source,
        title=row.title,
        summary=row.summary,
        data_json=row.data,
        data_hash=row.data_hash,
        policy=row.policy,
        state=APPROVAL_STATES[row.state],
        decided_by=row.decided_by,
        decided_at=rfc3339(row.decided_at),
        comment=row.comment,
        answer_json=row.answer,
        created_at=rfc3339(row.created_at),
        expires_at=rfc3339(row.expires_at),
        editable=row.editable,
    )


def state_words(states: Sequence[int]) -> list[str]:
    """Returns the words of run states."""
    return [STATE_WORDS[state] for state in states if state in STATE_WORDS]


def label_tests(selector: str) -> list[LabelTest]:
    """Reads a label selector. Raises InvalidArgument with the position of what is not understood."""
    return [LabelTest(one.key, sorted(one.values or ()), one.negated) for one in parse(selector).requirements]
