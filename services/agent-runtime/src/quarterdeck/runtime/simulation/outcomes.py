"""What must have come of effects and of orders, read from the journals and the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quarterdeck.common import codec
from quarterdeck.runtime.simulation.definitions import SPARE_ATTEMPTS
from quarterdeck.runtime.simulation.generated import UNDOABLE
from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.runtime.simulation.orders import Order
from quarterdeck.runtime.simulation.seen import Seen
from quarterdeck.runtime.simulation.tools import SERVER

# Tools that may be called again after an outcome that nobody knows.
_REPEATABLE = {"put", "refund"}
_HARMLESS = {"find"}
# Classes of errors of which a run may fail.
_CAUSES = {None, "tool", "uncertain", "timeout", "cancelled", "model", "budget", "policy", "limit"}


def of_effects(runs: dict[str, Seen], ledger: Ledger, deaths: int) -> Iterator[str]:
    """Every effect with an outcome happened once, and nothing twice but what its policy allows."""
    known: dict[str, str] = {}
    repeats: Counter[tuple[str, str]] = Counter()
    for run in runs.values():
        for effect, tool, key, status in run.calls:
            call_id = f"{run.run_id}:{effect}"
            known[call_id] = status
            times = ledger.by_call[call_id]
            if status == "ok" and tool not in _HARMLESS and times != 1:
                yield f"{run.title}: {tool} {key} ({effect}) is done and happened {times} times"
            if status not in ("ok", "uncertain", "abandoned", "") and times:
                yield f"{run.title}: {tool} {key} ({effect}) is {status} and happened"
            if status == "uncertain" and tool in _REPEATABLE:
                repeats[tool, key] += 1
            if status == "uncertain" and not deaths:
                yield f"{run.title}: {tool} {key} ({effect}) is uncertain though nobody died"
    for entry in ledger.entries:
        if entry.call_id not in known:
            yield f"{SERVER}/{entry.tool} {entry.key} happened for {entry.call_id}, which no journal knows"
    forked = tuple(run.forked_from.partition("@")[0] for run in runs.values() if run.is_fork)
    for (tool, key), times in ledger.by_key.items():
        if key.removeprefix("undo ").startswith(forked):  # a fork does again what followed
            continue
        if times > 1 + repeats[tool, key]:
            yield f"{SERVER}/{tool} {key} happened {times} times; {1 + repeats[tool, key]} are allowed"


def of_orders(runs: dict[str, Seen], orders: list[Order], ledger: Ledger) -> Iterator[str]:
    """Every accepted run ended as its kind of run may, or waits as it was declared to."""
    by_key: Counter[str] = Counter(run.key for run in runs.values() if run.key)
    for key, times in by_key.items():
        if times > 1:
            yield f"{times} runs have the idempotency key {key}"
    # Somebody else's start may have joined a retry or a fork that its own client cancelled.
    cancelled = [order for order in orders if order.was_cancelled]
    unwanted = {run_id for order in cancelled for run_id in (order.run_id, *order.offspring)}
    for order in orders:
        if not order.run_id:
            if not order.was_refused:
                yield f"order {order.number} ({order.scene.name}) was never accepted"
            continue
        run = runs.get(order.run_id)
        if run is None:
            yield f"order {order.number} ({order.scene.name}) was accepted as {order.run_id} and is lost"
            continue
        yield from _offspring(runs, order)
        if not _is_expected(run, order, unwanted):
            error = run.error.decode()[:300]
            yield f"{run.title}: not one of {sorted(order.scene.ends)}: {run.reason} {error}"
    for run in runs.values():
        if run.is_over and run.state != "succeeded":
            yield from _undone(run, ledger)
        if run.is_over:
            yield from _reason(run)


def _offspring(runs: dict[str, Seen], order: Order) -> Iterator[str]:
    """Retries and forks are runs like others: they end, or wait as they were declared to."""
    for run_id in order.offspring:
        if run_id not in runs:
            yield f"order {order.number}: its retry or fork {run_id} is lost"
        elif not runs[run_id].is_over and runs[run_id].state not in order.scene.ends:
            yield f"{runs[run_id].title}: a retry or fork that never ends: {runs[run_id].reason}"


def _is_expected(run: Seen, order: Order, unwanted: set[str]) -> bool:
    if run.state in order.scene.ends:
        return True
    if run.state == "cancelled":
        return run.run_id in unwanted or order.more.get("key_conflict") == "replace"
    if run.state != "failed":
        return False
    error = codec.loads(run.error) if run.error else {}
    cause = error.get("class")
    # An effect that nobody knows of and that its author gave up; a model that failed too often.
    if cause in ("uncertain", "model") or "model" in str(error) or "uncertain" in str(error):
        return True
    return cause == "tool" and _has_used_its_attempts_up(run)


def _has_used_its_attempts_up(run: Seen) -> bool:
    """To call again what nobody knows of is an attempt like any other: few are left when the tool fails."""
    unknown = [effect for effect, tool, _, status in run.calls if (tool, status) == ("flaky", "uncertain")]
    return len(unknown) >= SPARE_ATTEMPTS


def _undone(run: Seen, ledger: Ledger) -> Iterator[str]:
    if (
        any(status in ("uncertain", "abandoned") for _, _, _, status in run.calls)
        or b"terminated" in run.error
    ):
        return
    undoable = [entry for entry in ledger.entries if UNDOABLE in entry.key and entry.tool != "refund"]
    for entry in undoable:
        if entry.call_id.startswith(f"{run.run_id}:") and not ledger.has("refund", f"undo {entry.key}"):
            yield f"{run.title}: {entry.tool} {entry.key} was done and not undone"


def _reason(run: Seen) -> Iterator[str]:
    """A run fails of what may go wrong here, not of a defect."""
    cause = codec.loads(run.error).get("class") if run.error else None
    if cause not in _CAUSES:
        yield f"{run.title}: failed of {run.error.decode()[:300]}"
