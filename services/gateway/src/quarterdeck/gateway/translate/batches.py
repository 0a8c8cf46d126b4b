"""Many starts in one request."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.errors import BY_STATUS, Internal, InvalidArgument, QuarterdeckError
from quarterdeck.gateway.problems import problem
from quarterdeck.gateway.schemas import batches as schemas
from quarterdeck.gateway.translate.runs import start_request
from quarterdeck.v1 import runs_pb2

_BY_CODE: dict[int, type[QuarterdeckError]] = {status.value[0]: cls for status, cls in BY_STATUS.items()}


def batch_request(tenant: str, body: schemas.StartRuns, idempotency_key: str) -> runs_pb2.StartRunsRequest:
    """Returns the request as the runtime takes it."""
    message = runs_pb2.StartRunsRequest(tenant=tenant, idempotency_key=idempotency_key)
    for one in body.runs:
        run = start_request(one)
        run.idempotency_key = one.idempotency_key
        message.runs.append(run)
    return message


def batch(answer: runs_pb2.StartRunsResponse) -> dict[str, Any]:
    """Returns what became of each run."""
    items = [_started(one) for one in answer.runs]
    return {"items": items, "refused": sum(item["error"] is not None for item in items)}


def _started(one: runs_pb2.StartedRun) -> dict[str, Any]:
    error = problem(refused(one.refusal)) if one.HasField("refusal") else None
    return {"id": one.run_id or None, "existed": one.existed, "error": error}


def refused(refusal: runs_pb2.Refusal) -> QuarterdeckError:
    """Returns the error that a refusal stands for."""
    cls = _BY_CODE.get(refusal.code, Internal)
    field, hint, reason = refusal.field, refusal.hint, refusal.reason
    if issubclass(cls, InvalidArgument):
        violations = [(one.field, one.message) for one in refusal.violations]
        return cls(refusal.message, field=field, hint=hint, reason=reason, violations=violations)
    return cls(refusal.message, field=field, hint=hint, reason=reason)
