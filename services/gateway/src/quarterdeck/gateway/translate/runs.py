"""Runs, their journals and effects."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.streams import frame
from quarterdeck.gateway.translate.values import embedded, encoded, word
from quarterdeck.v1 import runs_pb2


def start_request(body: schemas.StartRun) -> runs_pb2.StartRunRequest:
    """Returns a start as the runtime takes it, without its tenant and key."""
    conflict = (body.key_conflict or "unspecified").upper()
    message = runs_pb2.StartRunRequest(
        kind=body.kind,
        name=body.name,
        input_json=encoded(body.input),
        session=body.session,
        key=body.key,
        key_conflict=runs_pb2.KeyConflict.Value(f"KEY_CONFLICT_{conflict}"),
        labels=body.labels,
        priority=body.priority,
    )
    if body.signal is not None:
        message.signal_name = body.signal.name
        message.signal_json = encoded(body.signal.payload)
        message.signal_id = body.signal.id
    return message


def run(message: runs_pb2.Run) -> dict[str, Any]:
    """Returns a run's JSON; what is not there (yet) is null."""
    return {
        "id": message.id,
        "tenant": message.tenant,
        "kind": message.kind,
        "name": message.name,
        "revision": message.revision or None,
        "state": word(runs_pb2.RunState, message.state, "RUN_STATE_"),
        "reason": message.reason or None,
        "parentRunId": message.parent_run_id or None,
        "rootRunId": message.root_run_id or None,
        "parentNode": message.parent_node or None,
        "itemIndex": message.item_index if message.parent_run_id and message.item_index >= 0 else None,
        "session": message.session or None,
        "key": message.key or None,
        "labels": dict(message.labels),
        "input": embedded(message.input_json),
        "output": embedded(message.output_json),
        "error": embedded(message.error_json),
        "lastSeq": message.last_seq,
        "costMicroUsd": message.cost_micro_usd,
        "costUsd": message.cost_micro_usd / 1_000_000,
        "tokens": message.tokens,
        "principal": message.principal or None,
        "createdAt": message.created_at or None,
        "startedAt": message.started_at or None,
        "finishedAt": message.finished_at or None,
        "forkedFrom": message.forked_from or None,
        "openApprovals": message.open_approvals,
        "trigger": message.trigger or None,
        "archived": message.archived or None,
    }


def run_list(answer: runs_pb2.ListRunsResponse) -> dict[str, Any]:
    """Returns the JSON of a page of runs."""
    return {"items": [run(item) for item in answer.runs], "continue": answer.next_page_token or None}


def event_json(event: runs_pb2.RunEvent) -> bytes:
    """Returns an event's JSON; its data is passed on as it is."""
    head = codec.dumps({"runId": event.run_id, "seq": event.seq, "type": event.type, "at": event.at})
    return head[:-1] + b',"data":' + (event.data_json or b"null") + b"}"


def event_frame(event: runs_pb2.RunEvent) -> bytes:
    """Returns an event as SSE. Live deltas have no id: one cannot resume from them."""
    return frame(event_json(event), event=event.type, id=str(event.seq) if event.seq else "")


def event_list(answer: runs_pb2.ListRunEventsResponse) -> bytes:
    """Returns the JSON of a page of a journal; `continue` is the `afterSeq` of the next page."""
    last = answer.events[-1].seq if answer.events else answer.last_seq
    more = str(last) if last < answer.last_seq else None
    items = b",".join(event_json(event) for event in answer.events)
    rest = codec.dumps({"continue": more, "lastSeq": answer.last_seq})
    return b'{"items":[' + items + b"]," + rest[1:]


def effect(message: runs_pb2.Effect) -> dict[str, Any]:
    """Returns an effect's JSON."""
    return {
        "runId": message.run_id,
        "effectId": message.effect_id,
        "step": message.step,
        "kind": message.kind,
        "target": message.target,
        "attempt": message.attempt,
        "state": message.state,
        "arguments": embedded(message.arguments_json),
        "outcome": embedded(message.outcome_json),
        "costMicroUsd": message.cost_micro_usd,
        "intentSeq": message.intent_seq,
        "outcomeSeq": message.outcome_seq or None,
    }


def repin(answer: runs_pb2.RepinRunResponse) -> dict[str, Any]:
    """Returns what a repin did, or would do."""
    return {
        "run": run(answer.run),
        "changes": list(answer.changes),
        "problems": list(answer.problems),
    }


def fork(answer: runs_pb2.ForkRunResponse) -> dict[str, Any]:
    """Returns what a fork did, or would do; a dry run has no run."""
    return {
        "run": run(answer.run) if answer.run.id else None,
        "copiedEvents": answer.copied_events,
        "keptSteps": list(answer.kept_steps),
        "nextSteps": list(answer.next_steps),
    }


def retry(answer: runs_pb2.RetryRunResponse) -> dict[str, Any]:
    """Returns what a retry did, or would do; a dry run has no run."""
    return {
        "run": run(answer.run) if answer.run.id else None,
        "keptEvents": answer.kept_events,
        "keptSteps": list(answer.kept_steps),
        "nextSteps": list(answer.next_steps),
        "uncertainSteps": list(answer.uncertain_steps),
        "retriedChildren": answer.retried_children,
        "keptChildren": answer.kept_children,
    }


def reruns(answer: runs_pb2.RerunRunsResponse) -> dict[str, Any]:
    """Returns what was, or would be, run again."""
    items = [
        {
            "runId": one.run_id,
            "kind": one.kind,
            "name": one.name,
            "state": word(runs_pb2.RunState, one.state, "RUN_STATE_"),
            "newRunId": one.new_run_id or None,
            "problem": one.problem or None,
        }
        for one in answer.reruns
    ]
    return {"items": items, "continue": answer.next_page_token or None, "confirm": answer.confirm or None}


def archived(answer: runs_pb2.ArchiveRunsResponse) -> dict[str, Any]:
    """Returns what was, or would be, archived and collected."""
    return {
        "runs": answer.runs,
        "events": answer.events,
        "deletedRuns": answer.deleted_runs,
        "artifacts": answer.artifacts,
    }


def imported(answer: runs_pb2.ImportRunResponse) -> dict[str, Any]:
    """Returns what an import brought."""
    return {
        "run": run(answer.run),
        "runs": answer.runs,
        "events": answer.events,
        "artifacts": answer.artifacts,
        "originalId": answer.original_run_id,
    }


def fired(answer: runs_pb2.FireTriggerResponse) -> dict[str, Any]:
    """Returns the runs that a trigger started, or why it started none."""
    return {"runs": [run(item) for item in answer.runs], "skipped": answer.skipped or None}


def trigger_state(message: runs_pb2.TriggerState) -> dict[str, Any]:
    """Returns a trigger's state."""
    return {
        "name": message.name,
        "nextDueAt": message.next_due_at or None,
        "lastFiredAt": message.last_fired_at or None,
        "lastRunId": message.last_run_id or None,
        "paused": message.paused,
        "fired": message.fired,
        "skipped": message.skipped,
    }
