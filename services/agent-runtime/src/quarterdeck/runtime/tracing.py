"""The trace of a run: that of its root, under ids that follow from the runs' own.

A run's trace is its root's id, and its span's id is the latter half of its own id. So every worker that
ever holds the run, and every child, adds to the same trace, and nothing has to be stored for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from structlog.contextvars import bound_contextvars

from quarterdeck.common.tracing import beneath, span_at

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from quarterdeck.common.telemetry import Telemetry
    from quarterdeck.runtime.execution.unit import RunFacts


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run that is over. Times in seconds since the epoch."""

    run_id: str
    root_run_id: str
    parent_run_id: str
    tenant: str
    kind: str
    name: str
    outcome: str
    began: float
    ended: float


def end_of(run: Any, outcome: str, began: float, ended: float) -> RunEnd:
    """Returns the end of a run, of which `run` is the row or the facts."""
    return RunEnd(
        run_id=run.run_id,
        root_run_id=run.root_run_id,
        parent_run_id=run.parent_run_id,
        tenant=run.tenant,
        kind=run.kind,
        name=run.name,
        outcome=outcome,
        began=began,
        ended=ended,
    )


EndListener = Callable[[RunEnd], None]


def place_of_run(root_run_id: str, run_id: str) -> SpanContext:
    """Returns where a run stands in its trace; an invalid place if the ids are no UUIDs."""
    return span_at(_number(root_run_id), _number(run_id) & 0xFFFFFFFFFFFFFFFF)


def _number(run_id: str) -> int:
    try:
        return UUID(run_id).int
    except ValueError:  # not one of ours: a trace is not worth a run
        return 0


@contextmanager
def within(facts: RunFacts) -> Iterator[None]:
    """Runs a block, and the tasks that it creates, in the run's trace; their log lines name the run."""
    with (
        bound_contextvars(run_id=facts.run_id, tenant=facts.tenant),
        beneath(place_of_run(facts.root_run_id, facts.run_id)),
    ):
        yield


def end_listener(telemetry: Telemetry) -> EndListener:
    """Returns what logs and records a run that is over; children are logged at level debug."""

    def told(end: RunEnd) -> None:
        place = place_of_run(end.root_run_id, end.run_id)
        parent = place_of_run(end.root_run_id, end.parent_run_id) if end.parent_run_id else None
        names = {"run_id": end.run_id, "tenant": end.tenant, "kind": end.kind, "name": end.name}
        with beneath(place):
            level = telemetry.log.debug if end.parent_run_id else telemetry.log.info
            level("run.ended", **names, outcome=end.outcome, seconds=round(end.ended - end.began, 3))
        if place.is_valid:
            telemetry.record(_title(end), place, parent, (end.began, end.ended), _attributes(end))

    return told


def link_to(run_id: str) -> None:
    """Says on the current span which run, a root, the request led to."""
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    if span.is_recording():
        span.set_attribute("quarterdeck.run.id", run_id)
        span.add_link(place_of_run(run_id, run_id))


def _title(end: RunEnd) -> str:
    return f"invoke_agent {end.name}" if end.kind == "Agent" else f"{end.kind.lower()} {end.name}"


def _attributes(end: RunEnd) -> dict[str, str]:
    found = {
        "quarterdeck.run.id": end.run_id,
        "quarterdeck.run.outcome": end.outcome,
        "quarterdeck.tenant": end.tenant,
    }
    if end.kind == "Agent":
        found |= {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": end.name}
    return found
