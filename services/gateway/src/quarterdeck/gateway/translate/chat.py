"""AG-UI requests as runs and decisions, approvals as interrupts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.translate.values import embedded, encoded
from quarterdeck.v1 import approvals_pb2

if TYPE_CHECKING:
    from ag_ui.core import Interrupt, ResumeEntry, RunAgentInput


def agent_input(wish: RunAgentInput) -> Any:
    """Returns the agent's input: `forwardedProps.input`, else {"message": the last user message}."""
    props = wish.forwarded_props
    if isinstance(props, dict) and "input" in props:
        return props["input"]
    for message in reversed(wish.messages):
        if message.role == "user":
            return {"message": _text_of(message.content)}
    raise InvalidArgument(
        "there is no message of the role user", field="messages", hint="add what the user says"
    )


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if part.type == "text")


def decisions(tenant: str, wish: RunAgentInput) -> list[approvals_pb2.DecideApprovalRequest]:
    """Returns the decisions that `resume` makes."""
    return [_decision(tenant, entry) for entry in wish.resume or ()]


def _decision(tenant: str, entry: ResumeEntry) -> approvals_pb2.DecideApprovalRequest:
    """The payload may be {"approved", "comment", "answer", "dataHash"}; "cancelled" rejects."""
    payload = entry.payload if isinstance(entry.payload, dict) else {}
    return approvals_pb2.DecideApprovalRequest(
        tenant=tenant,
        id=entry.interrupt_id,
        approve=entry.status == "resolved" and payload.get("approved", True) is True,
        comment=str(payload.get("comment", "")),
        answer_json=encoded(payload.get("answer")),
        data_hash=str(payload.get("dataHash", "")),
    )


def interrupts(approvals: Iterable[approvals_pb2.Approval]) -> list[Interrupt]:
    """Returns open approvals as interrupts; `metadata` holds what will be done."""
    from ag_ui.core import Interrupt

    return [
        Interrupt(
            id=approval.id,
            reason=f"approval:{approval.source or 'node'}",
            message=approval.title,
            expires_at=approval.expires_at or None,
            response_schema=RESPONSE_SCHEMA,
            metadata={
                "summary": approval.summary,
                "data": embedded(approval.data_json),
                "dataHash": approval.data_hash,
                "editable": approval.editable,
                "runId": approval.run_id,
            },
        )
        for approval in approvals
    ]


RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "comment": {"type": "string"},
        "answer": {},
        "dataHash": {"type": "string"},
    },
}
