"""Starting many runs in one call."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, QuarterdeckError
from quarterdeck.common.rpc_errors import code_of
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.bounds import check_names
from quarterdeck.runtime.constants import MAX_BATCH
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.runtime.rpcs.starting import wish_of
from quarterdeck.runtime.starting.accepting import Start
from quarterdeck.runtime.starting.many import Answer
from quarterdeck.v1 import runs_pb2


class BatchingRpcs(Desk):
    """StartRuns."""

    async def StartRuns(self, request: runs_pb2.StartRunsRequest, context: Any) -> runs_pb2.StartRunsResponse:
        """See the contract."""
        if not 1 <= len(request.runs) <= MAX_BATCH:
            message = f"{len(request.runs)} runs; one call starts 1 to {MAX_BATCH}"
            raise InvalidArgument(message, field="runs", hint="make several calls")
        check_names(idempotencyKey=request.idempotency_key)
        tenant = await self._tenants.resolve(request.tenant)
        keys = keys_of(request)
        wishes = [_wish(one, key, tenant) for one, key in zip(request.runs, keys, strict=True)]
        answers = await self._many.start(wishes)
        return runs_pb2.StartRunsResponse(runs=map(started, answers))


def keys_of(request: runs_pb2.StartRunsRequest) -> list[str]:
    """Returns the idempotency key of each run: its own, or one made of the batch's and of its place."""
    whole = request.idempotency_key
    return [
        one.idempotency_key or (f"batch:{codec.digest([whole, place])}" if whole else "")
        for place, one in enumerate(request.runs)
    ]


def _wish(one: runs_pb2.StartRunRequest, key: str, tenant: TenantId) -> Start | QuarterdeckError:
    try:
        if one.tenant not in ("", tenant.name):
            raise InvalidArgument("the runs of a batch are of one tenant", field="tenant")
        return wish_of(one, tenant, key)
    except QuarterdeckError as error:
        return error


def started(answer: Answer) -> runs_pb2.StartedRun:
    """Returns what became of one run."""
    if isinstance(answer, QuarterdeckError):
        return runs_pb2.StartedRun(refusal=refusal(answer))
    return runs_pb2.StartedRun(run_id=answer.run_id, existed=not answer.created)


def refusal(error: QuarterdeckError) -> runs_pb2.Refusal:
    """Returns an error as data."""
    violations = error.violations if isinstance(error, InvalidArgument) else []
    return runs_pb2.Refusal(
        code=code_of(error),
        reason=error.reason,
        message=error.message,
        field=error.field,
        hint=error.hint,
        violations=[runs_pb2.FieldViolation(field=path, message=text) for path, text in violations],
    )
