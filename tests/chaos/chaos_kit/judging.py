"""What came out: every accepted run against the outside ledger. Pure over what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos_kit.load import CHILDREN

OVER = ("succeeded", "failed", "cancelled", "timed-out", "quarantined")


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An effect that was parked for a person: which, and between which Unix times it was in flight."""

    run: str
    entry: str
    began: float
    asked: float
    why: str = ""


@dataclass(slots=True)
class Verdict:
    """The tally. Everything that is not in `succeeded` or `parked` is a fault of ours."""

    accepted: int = 0
    succeeded: int = 0
    parked: int = 0
    lost: list[str] = field(default_factory=list)
    ended_otherwise: dict[str, str] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    uncertain: int = 0
    unmatched: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True when nothing was lost, doubled, missing, or uncertain without a reason."""
        return not (self.lost or self.ended_otherwise or self.doubled or self.missing or self.unmatched)


def judge(
    accepted: Sequence[str],
    runs: Mapping[str, Mapping[str, Any]],
    entries: Sequence[str],
    uncertain: Sequence[Uncertain],
    deaths: Sequence[tuple[float, float]],
) -> Verdict:
    """Returns the verdict.

    Args:
        accepted: ids of root runs that a client was told of.
        runs: every run by id, with `state`, `parent` and `reason`.
        entries: what the outside ledger holds.
        uncertain: effects parked for a person.
        deaths: Unix times between which mcp-manager or a tool died.
    """
    verdict = Verdict(accepted=len(accepted), uncertain=len(uncertain))
    counts = Counter(entries)
    verdict.doubled = sorted(entry for entry, count in counts.items() if count > 1)
    open_trees = {one.run for one in uncertain} | {str(runs[one.run]["parent"]) for one in uncertain}
    for run in accepted:
        _judge_run(verdict, run, runs, counts, open_trees)
    for one in sorted(uncertain, key=lambda each: each.asked):
        if not any(one.began <= after and before <= one.asked for before, after in deaths):
            verdict.unmatched.append(
                f"{one.entry} in flight from {one.began:.1f} to {one.asked:.1f}: {one.why}"
            )
    return verdict


def _judge_run(
    verdict: Verdict,
    run: str,
    runs: Mapping[str, Mapping[str, Any]],
    counts: Counter[str],
    open_trees: set[str],
) -> None:
    found = runs.get(run)
    if found is None:
        verdict.lost.append(run)
    elif run in open_trees:
        verdict.parked += 1
    elif found["state"] == "succeeded":
        verdict.succeeded += 1
        wanted = [f"{run}/first", f"{run}/last", *_children(run, runs)]
        short = CHILDREN + 2 - len(wanted)
        verdict.missing += [entry for entry in wanted if not counts[entry]] + [f"{run}/a child"] * short
    elif found["state"] in OVER:
        verdict.ended_otherwise[run] = f"{found['state']}: {found['reason']}"
    else:
        verdict.lost.append(f"{run} is {found['state']}: {found['reason']}")


def _children(run: str, runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"{child}/item" for child, facts in runs.items() if facts["parent"] == run]
