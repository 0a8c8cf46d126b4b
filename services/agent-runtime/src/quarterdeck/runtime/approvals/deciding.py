"""A person's decision on an approval: taken once, bound to what was shown, given to its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from quarterdeck.common import codec
from quarterdeck.common.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.approvals.answers import check_resolution
from quarterdeck.runtime.store import approvals
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.store.locking import lock_place


@dataclass(frozen=True, slots=True)
class Vote:
    """What a person says."""

    approval_id: str
    approve: bool
    by: str
    comment: str = ""
    answer: Any = None
    data_hash: str = ""


def decide(
    connection: Connection, tenant: TenantId, vote: Vote, now: float, ready: list[str], poke: dict[str, str]
) -> Row[Any]:
    """Closes the approval and tells its run, in one transaction. Returns the approval's row.

    Raises:
        NotFound: no such approval in this tenant.
        Conflict: decided already, or the data is not what was shown.
        FailedPrecondition: the run is over.
        InvalidArgument: data is changed where that is not allowed.
    """
    row = approvals.get_approval(connection, tenant.id, vote.approval_id)
    if row is None:
        raise NotFound(f"no approval {vote.approval_id} in tenant {tenant.name}", field="id")
    _check(row, vote)
    lock_place(connection, row.run_id)
    state = "approved" if vote.approve else "rejected"
    values = {"state": state, "decided_by": vote.by, "decided_at": now, "comment": vote.comment}
    if vote.answer is not None:
        values["answer"] = codec.dumps(vote.answer)
    if not approvals.decide(connection, vote.approval_id, values):
        raise Conflict("the approval was decided at this moment", field="id", reason="AlreadyDecided")
    data = {
        "approval": vote.approval_id,
        "approved": vote.approve,
        "by": vote.by,
        "comment": vote.comment,
        "answer": vote.answer,
    }
    told = Delivery(row.run_id, tenant.id, "approval", data, dedup=f"approval:{vote.approval_id}")
    if not deliver(connection, told, now, ready, poke):
        raise FailedPrecondition(f"run {row.run_id} is over", reason="RunIsOver")
    decided = approvals.get_approval(connection, tenant.id, vote.approval_id)
    assert decided is not None
    return decided


def _check(row: Row[Any], vote: Vote) -> None:
    if row.state != "open":
        who = f" by {row.decided_by}" if row.decided_by else ""
        raise Conflict(f"the approval is {row.state} already{who}", field="id", reason="AlreadyDecided")
    if vote.data_hash and vote.data_hash != row.data_hash:
        raise Conflict(
            "the data is not what was shown", field="dataHash", hint="look at it again", reason="DataChanged"
        )
    if vote.answer is not None:
        _check_answer(row, vote.answer)


def _check_answer(row: Row[Any], answer: Any) -> None:
    """What is answered has to be what the run can go on with: it may not be refused any more later."""
    if row.source in ("node", "tool") and not row.editable:
        raise InvalidArgument(
            "this approval cannot be edited", field="answer", hint="approve or reject it as it is"
        )
    if row.source == "tool" and not isinstance(answer, dict):
        raise InvalidArgument("the arguments of a call are an object", field="answer")
    if row.source == "effect":
        check_resolution(answer)
