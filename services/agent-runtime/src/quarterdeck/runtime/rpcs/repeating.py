"""New runs out of old ones."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import current_call
from quarterdeck.common.paging import page_limit
from quarterdeck.runtime.bounds import check_names
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.operations.rerunning import Again, Rerunner, Selection
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.rpcs.desk import Desk
from quarterdeck.runtime.rpcs.translate import RUN_STATES, label_tests, state_words
from quarterdeck.runtime.store.runs import RunFilter
from quarterdeck.v1 import runs_pb2


class RepeatingRpcs(Desk):
    """ForkRun, RetryRun, RerunRuns."""

    async def ForkRun(self, request: runs_pb2.ForkRunRequest, context: Any) -> runs_pb2.ForkRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        fork = await Forker(self._engine).fork(
            tenant, request.run_id, request.before_seq, request.idempotency_key, dry_run=request.dry_run
        )
        run = await self._run(tenant, fork.run_id) if fork.run_id else None
        return runs_pb2.ForkRunResponse(
            run=run, copied_events=fork.copied, kept_steps=fork.kept, next_steps=fork.following
        )

    async def RetryRun(self, request: runs_pb2.RetryRunRequest, context: Any) -> runs_pb2.RetryRunResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        check_names(idempotencyKey=request.idempotency_key)
        by = current_call().principal.subject
        made = await Retrier(self._engine).retry(
            tenant, request.run_id, by, request.idempotency_key, dry_run=request.dry_run
        )
        run = None if request.dry_run else await self._run(tenant, made.run_id)
        growth = made.growth
        return runs_pb2.RetryRunResponse(
            run=run,
            kept_events=sum(growth.lengths.values()),
            kept_steps=made.kept,
            next_steps=made.following,
            uncertain_steps=made.uncertain,
            retried_children=max(0, len(growth.new_runs) - 1),
            kept_children=len(growth.ended_runs),
        )

    async def RerunRuns(self, request: runs_pb2.RerunRunsRequest, context: Any) -> runs_pb2.RerunRunsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        page = await Rerunner(self._engine, self._starter).rerun(
            tenant,
            _selection(request),
            request.page_token,
            request.confirm,
            current_call().principal,
            dry_run=request.dry_run,
        )
        return runs_pb2.RerunRunsResponse(
            reruns=[_rerun(again) for again in page.runs], confirm=page.confirm, next_page_token=page.more
        )


def _selection(request: runs_pb2.RerunRunsRequest) -> Selection:
    wanted = RunFilter(
        kind=request.kind,
        name=request.name,
        states=state_words(request.states),
        labels=label_tests(request.label_selector),
        created_from=_moment(request.created_from, "createdFrom"),
        created_before=_moment(request.created_to, "createdTo"),
    )
    from_failure = getattr(request, "from") == runs_pb2.RERUN_FROM_FAILURE
    return Selection(wanted, from_failure, page_limit(request.page_size))


def _moment(text: str, field: str) -> float | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        hint = "write for example 2026-01-31T09:00:00Z"
        raise InvalidArgument(f"not a time: {error}", field=field, hint=hint) from error


def _rerun(again: Again) -> runs_pb2.Rerun:
    row = again.row
    return runs_pb2.Rerun(
        run_id=row.run_id,
        kind=row.kind,
        name=row.name,
        state=RUN_STATES[row.state],
        new_run_id=again.run_id,
        problem=again.problem,
    )
