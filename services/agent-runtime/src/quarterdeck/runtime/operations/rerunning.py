"""Runs again what a filter selects, a page at a time, and only what a dry run has shown.

The dry run answers with a confirmation: how many runs, as of when, and a digest of the question and the
answer. The real call selects as of the same moment, so that the runs which it starts can never be among those
that it selects, and is refused when the selection is not the same. Every new run has a key made of the
confirmation and the old run: whoever calls twice starts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, QuarterdeckError
from quarterdeck.common.identity import Principal
from quarterdeck.common.paging import decode_cursor, encode_cursor
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.starting.accepting import TOOL, Start, Starter
from quarterdeck.runtime.store import runs

# The label of a run that was started to do again what an older one did.
RERUN_LABEL = "quarterdeck.dev/rerun-of"
UNSUCCESSFUL = ("failed", "cancelled", "timed-out")
OVER = ("succeeded", *UNSUCCESSFUL)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs, and from where.

    `after` is the id that the page before ended with; `as_of`, Unix time, is when the first page was shown.
    """

    filter: runs.RunFilter
    from_failure: bool
    limit: int
    after: str = ""
    as_of: float = 0.0


@dataclass(slots=True)
class Again:
    """One old run, and what became of it."""

    row: Any
    run_id: str = ""
    problem: str = ""


@dataclass(slots=True)
class Page:
    """What was, or would be, run again. `more` is the token of the next page."""

    runs: list[Again] = field(default_factory=list)
    confirm: str = ""
    more: str = ""


class Rerunner:
    """Runs again."""

    def __init__(self, engine: Engine, starter: Starter) -> None:
        self._engine = engine
        self._starter = starter
        self._retrier = Retrier(engine)

    async def rerun(
        self, tenant: TenantId, wanted: Selection, token: str, confirm: str, by: Principal, *, dry_run: bool
    ) -> Page:
        """Shows, or runs again, one page of a selection.

        Raises:
            InvalidArgument: a state that is not an end, or no confirmation.
            FailedPrecondition: the selection is not the one that was confirmed.
        """
        _check(wanted, confirm, dry_run)
        wanted = _placed(wanted, token, confirm, self._engine.clock.now())
        rows = await self._engine.database.read(_select, tenant, wanted)
        page = Page([Again(row) for row in rows[: wanted.limit]])
        page.confirm = confirmation(tenant, wanted, [again.row.run_id for again in page.runs])
        if len(rows) > wanted.limit:
            page.more = encode_cursor(f"{rows[wanted.limit - 1].run_id}@{wanted.as_of}")
        if not dry_run and page.confirm != confirm:
            raise FailedPrecondition(
                "other runs are selected now than the dry run showed",
                field="confirm",
                hint="make the dry run again, and confirm what it shows",
                reason="SelectionChanged",
            )
        for again in page.runs:
            await self._again(tenant, again, wanted, page.confirm, by, dry_run)
        return page

    async def _again(
        self, tenant: TenantId, again: Again, wanted: Selection, confirm: str, by: Principal, dry_run: bool
    ) -> None:
        """Starts one; what is refused is noted, and does not hold up the others."""
        try:
            if wanted.from_failure:
                run_id = again.row.run_id
                made = await self._retrier.retry(tenant, run_id, by.subject, "", dry_run=dry_run)
                again.run_id = "" if dry_run else made.run_id
            elif not dry_run:
                accepted = await self._starter.start(wish_again(tenant, again.row, confirm, by))
                again.run_id = accepted.run_id
        except QuarterdeckError as error:
            again.problem = error.message


def _check(wanted: Selection, confirm: str, dry_run: bool) -> None:
    still_open = set(wanted.filter.states) - set(OVER)
    if still_open:
        raise InvalidArgument(
            f"runs that are {', '.join(sorted(still_open))} are not over",
            field="states",
            hint=f"choose among {', '.join(OVER)}",
        )
    if not dry_run and not confirm:
        raise InvalidArgument(
            "a confirmation is required", field="confirm", hint="make a dry run first; it answers with one"
        )


def _placed(wanted: Selection, token: str, confirm: str, now: float) -> Selection:
    """Returns the selection as of the moment that the token or the confirmation names, else of now."""
    after, _, moment = decode_cursor(token).rpartition("@")
    as_of = _number(moment) if moment else _number(confirm.split("-")[1]) if confirm.count("-") == 2 else now
    before = min(as_of, wanted.filter.created_before or as_of)
    states = wanted.filter.states or UNSUCCESSFUL
    chosen = replace(wanted.filter, states=states, roots_only=True, created_before=before)
    return replace(wanted, filter=chosen, after=after, as_of=as_of)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument("not what a dry run answers", field="confirm") from None


def confirmation(tenant: TenantId, wanted: Selection, run_ids: Sequence[str]) -> str:
    """Returns what confirms a page: its size, the moment, and a digest; empty for nothing."""
    if not run_ids:
        return ""
    chosen = wanted.filter
    labels = [[test.name, *test.values, test.negated] for test in chosen.labels]
    question = [chosen.kind, chosen.name, sorted(chosen.states), labels, chosen.created_from, wanted.limit]
    digest = codec.digest([tenant.id, question, wanted.from_failure, wanted.after, list(run_ids)])
    return f"{len(run_ids)}-{wanted.as_of}-{digest[:16]}"


def _select(connection: Connection, tenant: TenantId, wanted: Selection) -> list[Any]:
    return runs.list_runs(
        connection,
        tenant.id,
        wanted.filter,
        limit=wanted.limit + 1,
        after=wanted.after,
        newest_first=False,
    )


def wish_again(tenant: TenantId, row: Any, confirm: str, by: Principal) -> Start:
    """Returns the wish to run the same once more, under the newest definition."""
    return Start(
        tenant=tenant,
        kind=TOOL if "/" in row.name else row.kind,
        name=row.name,
        input=codec.loads(row.input),
        principal=by,
        session=row.session,
        key=row.run_key,
        labels={**codec.loads(row.labels), RERUN_LABEL: row.run_id},
        idempotency_key=f"rerun:{confirm}:{row.run_id}",
    )
