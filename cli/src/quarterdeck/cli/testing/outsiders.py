"""Those outside the run who do something: people who decide, signals, somebody who cancels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from quarterdeck.cli.testing.answers import seconds
from quarterdeck.cli.testing.case import Case, DecisionSpec
from quarterdeck.cli.testing.project import Project
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.identity import Principal
from quarterdeck.runtime.approvals.approvers import require_approver
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.scripts import Script

ADMINISTRATORS = "quarterdeck:platform-admins"


@dataclass(frozen=True, slots=True)
class _Planned:
    """A decision, and its place in the case."""

    place: str
    decision: DecisionSpec


def _fits(row: Any, planned: _Planned) -> bool:
    """True if a decision is about this approval."""
    wanted = planned.decision
    return (
        wanted.node in (None, row.node)
        and wanted.source in (None, row.source)
        and wanted.policy in (None, row.policy)
        and (wanted.title or "") in row.title
    )


class People:
    """Decides open approvals as a case says."""

    def __init__(self, case: Case, project: Project, harness: Harness) -> None:
        self._project = project
        self._harness = harness
        planned = [_Planned(f"decide[{i}]", decision) for i, decision in enumerate(case.decide)]
        self._script = Script(planned)
        self._taken: dict[str, _Planned | None] = {}
        self.problems: list[tuple[str, str]] = []

    async def act(self, run_id: str) -> bool:
        """See `Actor.act`."""
        for row, planned in await self._open():
            decides = planned.decision.approve is not None
            if decides and self._due(row, planned) <= self._harness.clock.now():
                await self._decide(row, planned)
                return True
        return False

    async def next_act(self, run_id: str) -> float | None:
        """See `Actor.next_act`."""
        return min((self._due(row, planned) for row, planned in await self._open()), default=None)

    def _due(self, row: Any, planned: _Planned) -> float:
        """Returns when it is decided or, if nobody does, when the approval expires."""
        if planned.decision.approve is None:
            return float(row.expires_at or 0)
        return float(row.created_at) + seconds(planned.decision.after)

    async def _open(self) -> list[tuple[Any, _Planned]]:
        """Returns the open approvals that the case says something about. Each is given its decision once."""
        found = []
        for row in await self._harness.approvals():
            if row.approval_id not in self._taken:
                self._taken[row.approval_id] = self._script.next(partial(_fits, row))
            planned = self._taken[row.approval_id]
            if planned is not None:
                found.append((row, planned))
        return found

    async def _decide(self, row: Any, planned: _Planned) -> None:
        decision = planned.decision
        # Without groups the case does not ask who may decide; with them the policy's word counts.
        groups = (ADMINISTRATORS,) if decision.groups is None else tuple(decision.groups)
        try:
            policy = self._project.spec("ApprovalPolicy", row.policy) if row.policy else None
            require_approver(policy, row.policy, Principal(decision.by, groups), decision.comment)
            await self._harness.approve(
                row.approval_id,
                yes=bool(decision.approve),
                by=decision.by,
                comment=decision.comment,
                answer=decision.answer,
            )
        except QuarterdeckError as error:
            self._taken[row.approval_id] = None
            self.problems.append((planned.place, error.message))


class Schedule:
    """Signals and a cancellation, at their times."""

    def __init__(self, case: Case, harness: Harness, start: float) -> None:
        self._harness = harness
        self._planned: list[tuple[float, str, Callable[[str], Awaitable[None]]]] = [
            (start + seconds(signal.after), f"signals[{i}]", self._signal(signal.name, signal.payload))
            for i, signal in enumerate(case.signals)
        ]
        if case.cancel is not None:
            due = start + seconds(case.cancel.after)
            self._planned.append((due, "cancel", self._cancel(case.cancel.reason)))
        self._planned.sort(key=lambda planned: planned[0])
        self.problems: list[tuple[str, str]] = []

    def _signal(self, name: str, payload: Any) -> Callable[[str], Awaitable[None]]:
        return lambda run_id: self._harness.signal(run_id, name, payload)

    def _cancel(self, reason: str) -> Callable[[str], Awaitable[None]]:
        return lambda run_id: self._harness.cancel(run_id, reason)

    async def act(self, run_id: str) -> bool:
        """See `Actor.act`."""
        if not self._planned or self._planned[0][0] > self._harness.clock.now():
            return False
        _, place, act = self._planned.pop(0)
        try:
            await act(run_id)
        except QuarterdeckError as error:
            self.problems.append((place, error.message))
        return True

    async def next_act(self, run_id: str) -> float | None:
        """See `Actor.next_act`."""
        return self._planned[0][0] if self._planned else None
