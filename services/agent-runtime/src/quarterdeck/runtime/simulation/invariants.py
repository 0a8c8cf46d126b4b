"""What must hold when a seed is over, read from the tables, the journals and the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.simulation import outcomes
from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.runtime.simulation.orders import Order
from quarterdeck.runtime.simulation.seen import Seen, read_runs
from quarterdeck.runtime.simulation.store import SharedStore
from quarterdeck.runtime.state import RunState

_LEFT = {
    "inbox": "SELECT run_id, count(*) FROM inbox GROUP BY run_id",
    "timers": "SELECT run_id, count(*) FROM timers GROUP BY run_id",
    "open approvals": "SELECT run_id, count(*) FROM approvals WHERE state = 'open' GROUP BY run_id",
}


def violations(store: SharedStore, ledger: Ledger, orders: list[Order], deaths: int) -> Iterator[str]:
    """Yields what is wrong, in words."""
    runs = read_runs(store)
    left = {what: dict(store.rows(statement)) for what, statement in _LEFT.items()}
    for run in runs.values():
        if not run.is_carried:
            yield from _journal(run)
        yield from _rest(run, left)
        yield from _children(run, runs)
    yield from outcomes.of_effects(runs, ledger, deaths)
    yield from outcomes.of_orders(runs, orders, ledger)


def _journal(run: Seen) -> Iterator[str]:
    """The journal has no gap, folds to what the row says, and ends once."""
    if run.has_gap:
        yield f"{run.title}: a gap in its journal"
    ends = [index for index, event in enumerate(run.events, 1) if event.type in ev.TERMINAL]
    if run.is_over and (len(ends) != 1 or ends[0] != len(run.events)):
        yield f"{run.title}: ended at {ends} of {len(run.events)} events"
    if not run.is_over and ends:
        yield f"{run.title}: is open though it ended"
    length = run.last_seq if run.is_over else run.seq
    if length != len(run.events):
        yield f"{run.title}: {len(run.events)} events, {length} are said"
    try:
        state = fold(run.run_id, run.events)
    except Exception as error:
        yield f"{run.title}: its journal cannot be folded: {error!r}"
        return
    yield from _state(run, state)


def leaked(state: RunState) -> int:
    """Returns what is reserved for nothing that is at work: no effect in flight and no open child has it."""
    children = [step.children for step in state.steps.values() if step.children]
    children += state.leaving.values()
    cost = sum(effect.reserve for effect in state.effects.values())
    tokens = sum(effect.reserve_tokens for effect in state.effects.values())
    cost += sum(family.held.get("cost", 0) for family in children)
    tokens += sum(family.held.get("tokens", 0) for family in children)
    return (state.reserved - cost) or (state.reserved_tokens - tokens)


def overdrawn(state: RunState) -> str:
    """Returns what a run has spent and reserved beyond its budget, in words; empty if nothing."""
    taken = {"cost": state.spent + state.reserved, "tokens": state.tokens + state.reserved_tokens}
    over = {what: most for what, most in state.budget.items() if taken[what] > most}
    return f"{taken} of {over}" if over else ""


def _state(run: Seen, state: RunState) -> Iterator[str]:
    if leaked(state):
        yield f"{run.title}: {leaked(state)} are reserved for nothing"
    if overdrawn(state):
        yield f"{run.title}: took {overdrawn(state)}"
    if not run.events:
        return
    if run.is_over and state.outcome != run.state:
        yield f"{run.title}: its journal says {state.outcome}"
    if run.is_over and state.effects and "limit" not in run.reason:
        yield f"{run.title}: ended with effects in flight: {sorted(state.effects)}"
    if (state.spent, state.tokens) != (run.cost, run.tokens):
        yield f"{run.title}: spent {state.spent}, {state.tokens}; the row says {run.cost}, {run.tokens}"


def _rest(run: Seen, left: dict[str, dict[str, int]]) -> Iterator[str]:
    """What is over holds nothing; what waits has no lease and has read its inbox."""
    if run.is_over:
        if run.status is not None:
            yield f"{run.title}: still in the queue as {run.status}"
        for what, counts in left.items():
            if counts.get(run.run_id):
                yield f"{run.title}: {counts[run.run_id]} {what} are left"
        return
    if run.status != "parked" or run.worker:
        yield f"{run.title}: {run.status} by {run.worker or 'nobody'} instead of parked: {run.reason}"
    if left["inbox"].get(run.run_id):
        yield f"{run.title}: sleeps with {left['inbox'][run.run_id]} unread deliveries"


def _children(run: Seen, runs: dict[str, Seen]) -> Iterator[str]:
    """Each child is told of once, and none outlives its parent."""
    if run.parent:
        parent = runs.get(run.parent)
        if parent is None:
            yield f"{run.title}: has no parent"
        elif parent.is_over and not run.is_over:
            yield f"{run.title}: outlives its parent"
    told = Counter(e.data["run"] for e in run.events if e.type == ev.CHILD_FINISHED)
    for child, times in told.items():
        if times > 1:
            yield f"{run.title}: was told {times} times of the end of {child}"
    started: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for event in run.events:
        if event.type == ev.CHILDREN_STARTED:
            started[event.data["step"]] += event.data["count"]
        elif event.type == ev.CHILDREN_PROGRESS:
            ended[event.data["step"].partition("@")[0]] += event.data["done"] + event.data["failed"]
    for step, count in ended.items():
        if count > started[step]:
            yield f"{run.title}: {count} of {started[step]} children of {step} ended"
