"""Runs that begin: the rows of children, and the first event of every run."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.definition import lane_of
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.budgets import narrower
from quarterdeck.runtime.planner.planning import NewChild
from quarterdeck.runtime.store import definitions
from quarterdeck.runtime.tables import RUNS

_DEFAULTS = {column.name: getattr(column.default, "arg", None) for column in RUNS.c}


def start_event(row: Row[Any], history: Any) -> ev.Event:
    """Returns the first event of a run, from its row and its session's earlier turns (or their artifact)."""
    data: dict[str, Any] = {
        "kind": row.kind,
        "name": row.name,
        "tenant": row.tenant,
        "labels": codec.loads(row.labels),
        "input": codec.loads(row.input),
        "budget": codec.loads(row.budget),
        "session": row.session,
    }
    if row.parent_run_id:
        data |= {"parent": row.parent_run_id, "depth": row.depth}
    if history:
        data["history"] = history
    return ev.Event(ev.RUN_STARTED, data)


async def child_row(engine: Engine, parent: RunFacts, child: NewChild, now: float) -> dict[str, Any]:
    """Returns the row of a child run: its pins, principal, priority and labels are the parent's."""
    closure = parent.closure
    if child.inline is not None:
        closure = await inline_closure(engine, parent, child)
    revisions = await engine.revisions(parent.tenant_id, closure)
    definition = await engine.definition(parent.tenant_id, closure, child.kind, child.name)
    stored = await artifacts.externalise(engine.artifacts, parent.tenant_id, child.input, INLINE_BYTES)
    session = f"{parent.root_run_id}/{child.session}" if child.session else ""
    return run_row(
        run_id=child.run_id,
        tenant_id=parent.tenant_id,
        tenant=parent.tenant,
        kind=child.kind,
        name=child.name,
        revision=revisions[f"{child.kind}/{child.name}"],
        closure=closure,
        value=stored,
        budget=narrower(definition.budget, child.budget),
        principal=parent.principal,
        labels=parent.labels,
        priority=parent.priority - 1,
        now=now,
        parent_run_id=parent.run_id,
        parent_step=child.step,
        item_index=child.index,
        depth=parent.depth + 1,
        root_run_id=parent.root_run_id,
        session=session,
        **lane_of(definition),
    )


def run_row(
    *,
    run_id: str,
    tenant_id: str,
    tenant: str,
    kind: str,
    name: str,
    revision: str,
    closure: str,
    value: Any,
    budget: Mapping[str, int],
    principal: Mapping[str, Any],
    labels: Mapping[str, str],
    priority: int,
    now: float,
    **more: Any,
) -> dict[str, Any]:
    """Returns the columns of a new run and of its place in the queue."""
    return {
        "run_id": run_id,
        "tenant_id": tenant_id,
        "tenant": tenant,
        "kind": kind,
        "name": name,
        "revision": revision,
        "closure": closure,
        "state": "pending",
        "input": codec.dumps(value),
        "budget": codec.dumps(budget),
        "principal": codec.dumps(principal),
        "labels": codec.dumps(labels),
        "priority": priority,
        "created_at": now,
        "queue_status": "ready",
        "root_run_id": run_id,
        **more,
    }


def as_written(row: Mapping[str, Any], queue_status: str, seq: int = 0) -> Any:
    """Returns a new run's row as a look at the database would have told it in the moment of its commit."""
    return SimpleNamespace(**{**_DEFAULTS, **row, "current_seq": seq, "queue_status": queue_status})


async def inline_closure(engine: Engine, parent: RunFacts, child: NewChild) -> str:
    """Pins a workflow that was made on the spot (the tool body of a map) and returns its closure."""
    spec = codec.dumps(child.inline)
    revision = f"{child.kind}/{child.name}@{codec.digest(child.inline)[:12]}"
    closure = definitions.closure_id({f"{child.kind}/{child.name}": revision})
    if engine.knows_closure(parent.tenant_id, closure):
        return closure
    specs = [(revision, child.kind, child.name, spec)]
    return await engine.database.write(
        definitions.save_closure, parent.tenant_id, (child.kind, child.name), specs
    )
