"""Plays a case on its stage and says what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from quarterdeck.cli.testing.answers import seconds
from quarterdeck.cli.testing.case import Case
from quarterdeck.cli.testing.outsiders import People, Schedule
from quarterdeck.cli.testing.project import Project
from quarterdeck.cli.testing.stage import Stage, set_stage
from quarterdeck.common import codec
from quarterdeck.common.artifacts import internalise
from quarterdeck.common.clock import parse_rfc3339, rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.starting.inputs import check_input
from quarterdeck.runtime.store import approvals
from quarterdeck.runtime.testing.harness import LONG, TENANT
from quarterdeck.runtime.testing.skipping import Restless, Skipper
from quarterdeck.runtime.testing.virtual_time import VirtualClock

# Real seconds after which a case is given up.
REAL_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Journal:
    """One run of a case; events are {seq, type, at, data}."""

    run_id: str
    title: str
    state: str
    events: list[dict[str, Any]]


@dataclass(slots=True)
class Played:
    """What came of a case. `problems` are (field of the case, message); `passed` is in skipped seconds."""

    state: str = ""
    reason: str = ""
    output: Any = None
    error: dict[str, Any] | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)
    passed: float = 0.0
    cost: float = 0.0
    tokens: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)


async def play(case: Case, project: Project, folder: Path) -> Played:
    """Plays a case; `folder` is empty and its own. Must run on a `QuietLoop`."""
    problems, specs = await _prepare(case, project)
    if problems:
        return Played(problems=problems)
    start = parse_rfc3339(case.at)
    stage = await set_stage(case, project, specs, VirtualClock(start), folder)
    with capture_logs() as logs:
        async with stage.harness:
            stage.directory.engine = stage.harness.engine
            played = await _play(case, project, stage, start)
    played.problems += [("", _log_line(entry)) for entry in logs if entry.get("exc_info")]
    return played


async def _prepare(case: Case, project: Project) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Returns what stands against starting the run, and what it pins."""
    kind, name = case.target.kind, case.target.name
    if (kind, name) not in project.objects:
        known = ", ".join(n for k, n in project.objects if k == kind) or "none"
        return [("target.name", f"there is no {kind} {name!r} among the manifests; there are: {known}")], {}
    specs, missing = project.pinned(kind, name)
    problems = [("target", f"{kind} {name} needs {ref.kind} {ref.name!r}, at {ref.path}") for ref in missing]
    try:
        await check_input(case.input, (specs[f"{kind}/{name}"].get("input") or {}).get("schema"))
    except InvalidArgument as error:
        problems += [(path, message) for path, message in error.violations]
    return problems, specs


async def _play(case: Case, project: Project, stage: Stage, start: float) -> Played:
    people, schedule = People(case, project, stage.harness), Schedule(case, stage.harness, start)
    skipper = Skipper(
        stage.harness,
        stage.clock,
        [people, schedule],
        patience=seconds(case.patience),
        is_stuck=stage.tools.is_stuck,
        is_over=lambda: bool(stage.problems()),
    )
    run_id = await stage.harness.start(case.target.kind, case.target.name, case.input, labels=case.labels)
    restless = []
    try:
        async with asyncio.timeout(REAL_LIMIT):
            await skipper.until_rest(run_id)
    except TimeoutError:
        restless = [("", f"still at work after {REAL_LIMIT:g} s: does it loop without end?")]
    except Restless as error:
        restless = [("", str(error))]
    played = await _seen(stage, run_id)
    played.passed = stage.clock.now() - start
    played.problems = [*stage.problems(), *people.problems, *schedule.problems, *restless]
    return played


async def _seen(stage: Stage, run_id: str) -> Played:
    harness = stage.harness
    row = await harness.row(run_id)
    asked = await harness.database.read(approvals.list_approvals, TENANT.id, [], [run_id], "", LONG)
    output = codec.loads(row.output) if row.output else None
    return Played(
        state=row.state,
        reason=row.reason,
        output=await internalise(harness.artifacts, TENANT.id, output),
        error=codec.loads(row.error) if row.error else None,
        calls=[
            {"server": call.server, "name": call.tool, "arguments": call.arguments}
            for call in stage.tools.calls
        ],
        approvals=[_approval(found) for found in asked],
        saved=[
            {"collection": item.collection, "id": item.id, "text": item.text, "payload": item.payload}
            for item in stage.memory.saved
        ],
        cost=row.cost / 1e6,
        tokens=row.tokens,
        journals=[await _journal(stage, found) for found in await harness.tree(run_id)],
    )


def _approval(row: Any) -> dict[str, Any]:
    return {
        "node": row.node,
        "source": row.source,
        "policy": row.policy,
        "title": row.title,
        "summary": row.summary,
        "data": codec.loads(row.data),
        "editable": bool(row.editable),
        "state": row.state,
        "by": row.decided_by,
        "comment": row.comment,
    }


async def _journal(stage: Stage, run_id: str) -> Journal:
    row = await stage.harness.row(run_id)
    events = [
        {"seq": seq, "type": event.type, "at": rfc3339(event.at), "data": event.data}
        for seq, event in enumerate(await stage.harness.journal(run_id), 1)
    ]
    return Journal(run_id, f"{row.kind}/{row.name}", row.state, events)


def _log_line(entry: Any) -> str:
    """Returns a defect that the engine logged while it played."""
    return f"the engine reported {entry.get('event')}; see the journal"
