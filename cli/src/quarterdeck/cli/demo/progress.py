"""How far the demo's run is: a fold over its journal, and a look at the open runs below it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]
Run = Mapping[str, Any]

MOVING = ("pending", "running")


@dataclass(slots=True)
class Step:
    """One node of the run: a map counts its items."""

    node: str
    total: int = 0
    done: int = 0
    failed: int = 0
    ended: bool = False
    error: str = ""

    @property
    def open(self) -> int:
        """Items that have no outcome yet."""
        return self.total - self.done - self.failed


@dataclass(slots=True)
class Progress:
    """The run's steps in the order in which they began."""

    steps: dict[str, Step] = field(default_factory=dict)
    seq: int = 0

    def add(self, event: Event) -> None:
        """Folds one event in."""
        self.seq = max(self.seq, int(event.get("seq") or 0))
        data = event.get("data") or {}
        name = data.get("step")
        if not name:
            return
        step = self.steps.setdefault(name, Step(str(data.get("node") or name)))
        match event.get("type"):
            case "children.started":
                step.total = int(data.get("total") or step.total)
            case "children.progress":
                step.done += int(data.get("done") or 0)
                step.failed += int(data.get("failed") or 0)
            case "children.joined" | "step.completed":
                step.ended = True
            case "step.failed":
                step.ended = True
                step.error = str((data.get("error") or {}).get("message") or "failed")

    def lines(self) -> list[str]:
        """Returns a line for each step."""
        return [_line(step) for step in self.steps.values()]


def _line(step: Step) -> str:
    if step.error:
        return f"{step.node}: {step.error}"
    if not step.total:
        return f"{step.node}: {'done' if step.ended else 'under way'}"
    failed = f", {step.failed} failed" if step.failed else ""
    return f"{step.node}: {step.done} of {step.total}{failed}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the open runs of a tree do: counts of leaves, the runs that wait for no run below them."""

    moving: int
    asking: int
    stuck: Sequence[Run]

    @property
    def only_approvals(self) -> bool:
        """True when nothing is left but questions to people."""
        return self.asking > 0 and not self.moving and not self.stuck


def stand(open_runs: Iterable[Run], root: str) -> Standing:
    """Returns how a tree stands.

    Args:
        open_runs: runs that have not ended, of the tree or not.
        root: id of the run at the top; it counts only while it is alone.
    """
    tree = [run for run in open_runs if root in (run.get("id"), run.get("rootRunId"))]
    parents = {run.get("parentRunId") for run in tree}
    leaves = [run for run in tree if run.get("id") not in parents]
    asking = [run for run in leaves if run.get("openApprovals")]
    rest = [run for run in leaves if not run.get("openApprovals")]
    moving = [run for run in rest if run.get("state") in MOVING]
    return Standing(len(moving), len(asking), [run for run in rest if run.get("state") not in MOVING])
