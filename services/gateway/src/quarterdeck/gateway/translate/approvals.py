"""Questions to people."""

from __future__ import annotations

from typing import Any

from quarterdeck.gateway.translate.runs import run
from quarterdeck.gateway.translate.values import embedded, word
from quarterdeck.v1 import approvals_pb2


def approval(message: approvals_pb2.Approval) -> dict[str, Any]:
    """Returns an approval's JSON."""
    return {
        "id": message.id,
        "tenant": message.tenant,
        "runId": message.run_id,
        "rootRunId": message.root_run_id or None,
        "node": message.node or None,
        "source": message.source or None,
        "title": message.title,
        "summary": message.summary or None,
        "data": embedded(message.data_json),
        "dataHash": message.data_hash or None,
        "policy": message.policy or None,
        "state": word(approvals_pb2.ApprovalState, message.state, "APPROVAL_STATE_"),
        "decidedBy": message.decided_by or None,
        "decidedAt": message.decided_at or None,
        "comment": message.comment or None,
        "answer": embedded(message.answer_json),
        "createdAt": message.created_at or None,
        "expiresAt": message.expires_at or None,
        "editable": message.editable,
    }


def approval_list(answer: approvals_pb2.ListApprovalsResponse) -> dict[str, Any]:
    """Returns the JSON of a page of approvals."""
    return {
        "items": [approval(item) for item in answer.approvals],
        "continue": answer.next_page_token or None,
    }


def decision(answer: approvals_pb2.DecideApprovalResponse) -> dict[str, Any]:
    """Returns a decided approval and its run."""
    return {"approval": approval(answer.approval), "run": run(answer.run) if answer.run.id else None}
