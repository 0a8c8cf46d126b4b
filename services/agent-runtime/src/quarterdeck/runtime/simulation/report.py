"""What is printed: how a seed failed and how to see it again; what struck where, and what never did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quarterdeck.runtime.simulation import adversary as adv
from quarterdeck.runtime.simulation.await_points import Coverage, Point, never_suspended
from quarterdeck.runtime.simulation.many import Summary
from quarterdeck.runtime.simulation.seeds import Verdict

# How often each fault is to strike at each place.
WANTED = 50
# What a simulation has no worker wait for: drains begin only before a worker drains.
_NOT_WHILE_DRAINING = "worker.py:drain:"

COMMAND = "python -m quarterdeck.runtime.simulation --seed {seed} --trace"


def failure(verdict: Verdict) -> str:
    """Returns what was wrong with a seed and the command that shows it."""
    lines = [f"seed {verdict.seed}: {len(verdict.problems)} problems"]
    lines += [f"  {problem[:600]}" for problem in verdict.problems[:10]]
    return "\n".join([*lines, f"  {COMMAND.format(seed=verdict.seed)}"])


@dataclass(frozen=True, slots=True)
class Row:
    """One await point: how often each fault struck there; None where it cannot."""

    point: Point
    struck: dict[str, int | None]


def table(coverage: Coverage) -> list[Row]:
    """Returns the await points that were reached, each with the faults that can strike there."""
    points = sorted(set(coverage.reached) | {point for _, point in coverage.struck})
    return [Row(point, _row(coverage, point)) for point in points]


def _row(coverage: Coverage, point: Point) -> dict[str, int | None]:
    families: list[tuple[str, ...]] = [adv.HOST_FAULTS]
    seen = {fault for fault, where in coverage.struck if where == point}
    if seen & {adv.LOST, adv.ZOMBIE}:
        families.append(adv.WRITE_FAULTS)
    elif seen & set(adv.READ_FAULTS):
        families.append(adv.READ_FAULTS)
    families += [family for family in (adv.BUS_FAULTS, adv.PEER_FAULTS) if seen & set(family)]
    possible = {fault for family in families for fault in family}
    if _NOT_WHILE_DRAINING in point:
        possible.discard(adv.DRAIN)
    return {fault: coverage.struck[fault, point] if fault in possible else None for fault in ALL_FAULTS}


ALL_FAULTS = (*adv.HOST_FAULTS, *adv.WRITE_FAULTS, *adv.BUS_FAULTS, *adv.PEER_FAULTS)


def missed(coverage: Coverage, wanted: int = WANTED) -> Iterator[tuple[str, Point, int]]:
    """Yields (fault, point, times) for what struck less often than wanted."""
    for row in table(coverage):
        for fault, times in row.struck.items():
            if times is not None and times < wanted:
                yield fault, row.point, times


def pairs(coverage: Coverage, wanted: int = WANTED) -> tuple[int, int, int]:
    """Returns how many pairs of a fault and a place were struck as often as wanted, less often, and never."""
    times = [count for row in table(coverage) for count in row.struck.values() if count is not None]
    enough, never = sum(count >= wanted for count in times), times.count(0)
    return enough, len(times) - enough - never, never


def render(summary: Summary) -> str:
    """Returns the whole report as text."""
    lines = [heading(summary), "", *_table_lines(summary.coverage), ""]
    left = list(missed(summary.coverage))
    enough, seldom, never = pairs(summary.coverage)
    lines.append(
        f"{enough + seldom + never} pairs of a fault and a place: {enough} struck {WANTED} times or more, "
        f"{seldom} less often, {never} never"
    )
    lines.append(f"struck less than {WANTED} times: {len(left) or 'nothing'}")
    lines += [f"  {fault:20} {point} {times}" for fault, point, times in left]
    dry = never_suspended(summary.coverage)
    lines += ["", f"awaits at which nothing was ever suspended: {len(dry) or 'none'}"]
    lines += [f"  {point}" for point in dry]
    return "\n".join([*lines, "", *map(failure, summary.failures)])


def heading(summary: Summary) -> str:
    """Returns how many seeds there were, how long they took, and what went on in them."""
    facts = summary.facts
    each = 1000 * summary.busy / max(1, summary.seeds)
    return "\n".join(
        [
            f"{summary.seeds} seeds in {summary.seconds:.0f} s ({each:.0f} ms each), "
            f"{len(summary.failures)} failed",
            f"{facts['runs']} runs, {facts['commits']} commits ({facts['fenced']} fenced), "
            f"{facts['effects']} effects ({facts['uncertain']} uncertain), "
            f"{facts['quarantined']} times quarantined, {facts['virtual_seconds'] / 3600:.1f} h passed",
            "faults: " + ", ".join(f"{fault} {times}" for fault, times in sorted(summary.faults.items())),
        ]
    )


def _table_lines(coverage: Coverage) -> Iterator[str]:
    rows = table(coverage)
    width = max((len(row.point) for row in rows), default=0)
    shown = [fault for fault in ALL_FAULTS if any(row.struck[fault] is not None for row in rows)]
    short = [fault.removeprefix("peer-").removeprefix("bus-").removeprefix("db-")[:8] for fault in shown]
    yield " ".join(["await point".ljust(width), *(name.rjust(8) for name in short)])
    for row in rows:
        cells = ("" if row.struck[fault] is None else str(row.struck[fault]) for fault in shown)
        yield " ".join([row.point.ljust(width), *(cell.rjust(8) for cell in cells)])
