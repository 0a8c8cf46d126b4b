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
    """An effect that was parked for a person: its call, what it was to write, and what the person is told."""

    run: str
    call: str
    entry: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """mcp-manager or its tools died: when (Unix time), and which calls were in flight."""

    what: str
    at: float
    calls: frozenset[str]


@dataclass(slots=True)
class Verdict:
    """The tally. Everything that is not in `succeeded` or `parked` is a fault of ours."""

    accepted: int = 0
    succeeded: int = 0
    parked: int = 0
    lost: list[str] = field(default_factory=list)
    ended_otherwise: dict[str, str] = field(default_factory=dict)
    quarantined: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    uncertain: int = 0
    unmatched: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True when nothing was lost, doubled, missing, or uncertain without a reason."""
        kept = not (self.lost or self.ended_otherwise or self.doubled or self.missing)
        return kept and not (self.unmatched or self.quarantined)


def judge(
    accepted: Sequence[str],
    runs: Mapping[str, Mapping[str, Any]],
    entries: Sequence[str],
    uncertain: Sequence[Uncertain],
    deaths: Sequence[Death],
) -> Verdict:
    """Returns the verdict.

    Args:
        accepted: ids of root runs that a client was told of.
        runs: every run by id, with `state`, `parent` and `reason`.
        entries: what the outside ledger holds.
        uncertain: effects parked for a person.
        deaths: of mcp-manager and its tools.
    """
    verdict = Verdict(accepted=len(accepted), uncertain=len(uncertain))
    counts = Counter(entries)
    verdict.doubled = sorted(entry for entry, count in counts.items() if count > 1)
    verdict.quarantined = [run for run, found in runs.items() if found["state"] == "quarantined"]
    open_trees = {one.run for one in uncertain} | {str(runs[one.run]["parent"]) for one in uncertain}
    for run in accepted:
        _judge_run(verdict, run, runs, counts, open_trees)
    verdict.unmatched = [f"{one.entry} (call {one.call}): {one.why}" for one in unmatched(uncertain, deaths)]
    return verdict


def unmatched(uncertain: Sequence[Uncertain], deaths: Sequence[Death]) -> list[Uncertain]:
    """Returns the uncertain effects without a death of their own that hit their call; each is used once."""
    hit = Counter(call for death in deaths for call in death.calls)
    left = []
    for one in uncertain:
        if hit[one.call] > 0:
            hit[one.call] -= 1
        else:
            left.append(one)
    return left


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
