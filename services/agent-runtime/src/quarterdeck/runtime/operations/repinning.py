"""Moves a parked run to the newest revisions of what it pins, after looking whether it still fits."""

from __future__ import annotations

from dataclasses import dataclass, field

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.common.identity import current_call
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.definition import Definition, WorkflowDefinition
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.loading import load_idle
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.planner.workflow_paths import node_name
from quarterdeck.runtime.starting.accepting import Start, Starter
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.definitions import Revisions


@dataclass(slots=True)
class RepinPlan:
    """What would change, and why it would not do; with problems nothing is done."""

    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Repinner:
    """Repins runs."""

    def __init__(self, engine: Engine, starter: Starter) -> None:
        self._engine = engine
        self._starter = starter

    async def repin(self, tenant: TenantId, run_id: str, *, dry_run: bool) -> RepinPlan:
        """Plans the move, and makes it unless there is a problem or it is a dry run.

        Raises:
            FailedPrecondition: the run is over, or at work.
        """
        engine = self._engine
        row = await engine.database.read(deliveries.require_run, tenant, run_id)
        deliveries.require_open(row)
        if row.queue_status not in ("parked", "quarantined"):
            raise FailedPrecondition("the run is at work", hint="repin it when it waits or is quarantined")
        wish = Start(tenant, row.kind, row.name, None, current_call().principal)
        closure = await self._starter.newest_closure(wish)
        old = await engine.revisions(tenant.id, row.closure)
        new = await engine.revisions(tenant.id, closure)
        state = await load_idle(engine, tenant.id, run_id)
        definition = await engine.definition(tenant.id, closure, row.kind, row.name)
        plan = RepinPlan(changes=changes(old, new), problems=problems(state, definition))
        if plan.changes and not plan.problems and not dry_run:
            now = engine.clock.now()
            woken = await engine.database.write(deliveries.repin, tenant, run_id, closure, plan.changes, now)
            await engine.wake(*woken)
        return plan


def changes(old: Revisions, new: Revisions) -> list[str]:
    """Returns what differs between two closures, as "Kind/name: old -> new"."""
    names = sorted(old.keys() | new.keys())
    return [f"{n}: {old.get(n, '-')} -> {new.get(n, '-')}" for n in names if old.get(n) != new.get(n)]


def problems(state: RunState, definition: Definition) -> list[str]:
    """Returns why a run in this state could not go on under another definition."""
    if not isinstance(definition, WorkflowDefinition):
        return []
    found = []
    for step in state.steps.values():
        top = node_name(step.parent or step.node).partition("/")[0]
        node = definition.nodes.get(top)
        if node is None:
            found.append(f"step {step.id} stands at node {top}, which is no longer there")
        elif not step.parent and not step.id.endswith("!undo") and node.kind != step.kind:
            found.append(f"node {top} was {step.kind} and is {node.kind} now")
        elif step.parent and step.node not in {branch.name for branch in node.branches}:
            found.append(f"branch {step.node} of node {top} is no longer there")
    return found
