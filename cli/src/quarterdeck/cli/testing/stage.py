"""The engine of one case: real, but for its clock and for who answers its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.cli.testing.answers import findings, tool_answers, turn
from quarterdeck.cli.testing.case import EVERY_AGENT, Case
from quarterdeck.cli.testing.gate import ToolGate
from quarterdeck.cli.testing.project import Project
from quarterdeck.common.artifacts import DirectoryArtifacts
from quarterdeck.common.database import open_database
from quarterdeck.llm.providers import ProviderSource
from quarterdeck.memory.payload import check_payload, field_type
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime.config import RuntimeSettings
from quarterdeck.runtime.effects.checks import CheckPerformer
from quarterdeck.runtime.effects.memory import MemoryPerformer
from quarterdeck.runtime.effects.models import ModelPerformer
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.effects.tools import ToolPerformer
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.local_peer import LocalPeer
from quarterdeck.runtime.testing.memory_answers import MemoryAnswers
from quarterdeck.runtime.testing.scripted_models import (
    FixedRoutes,
    ModelsByAgent,
    OneProvider,
    PlaybooksOnly,
    ScriptedModel,
)
from quarterdeck.runtime.testing.scripted_tools import ScriptedTools
from quarterdeck.runtime.testing.scripts import Script
from quarterdeck.runtime.testing.virtual_time import VirtualClock, WatchedDatabase, quiet_loop

DEFAULT_EXPIRY = float(RuntimeSettings.model_fields["approval_expires"].default)


@dataclass(frozen=True, slots=True)
class Stage:
    """A harness and those who answer it."""

    harness: Harness
    clock: VirtualClock
    directory: ToolDirectory
    tools: ScriptedTools
    memory: MemoryAnswers
    models: Mapping[str, ScriptedModel]
    routes: tuple[FixedRoutes, ...]

    def problems(self) -> list[tuple[str, str]]:
        """Returns what was asked for and is not in the case, as (field, message)."""
        found = [("tools", text) for text in self.tools.problems]
        found += [("memory", text) for text in self.memory.problems]
        for agent, model in self.models.items():
            path = "model" if agent == EVERY_AGENT else f"model.{agent}"
            found += [(path, text) for text in model.problems]
        return found + [("model", text) for routes in self.routes for text in routes.problems]


async def set_stage(
    case: Case, project: Project, specs: Mapping[str, Any], clock: VirtualClock, folder: Path
) -> Stage:
    """Makes the stage of a case. It must be opened (`async with stage.harness`) before it is used."""
    artifacts = DirectoryArtifacts(folder / "artifacts")
    tools = _tools(case, project, clock)
    manager = LocalPeer("mcp-manager", tools)
    directory = ToolDirectory(manager, clock)
    performer = ToolPerformer(manager, directory, artifacts, clock)
    memory = MemoryAnswers(Script(findings(case)), project.of_kind("MemoryCollection"), _checker(project))
    scripted = {
        agent: ScriptedModel(Script([turn(written) for written in turns]))
        for agent, turns in case.model.items()
    }
    routes: list[FixedRoutes] = []

    def model(source: ProviderSource) -> ModelPerformer:
        routes.append(FixedRoutes(project.of_kind("ModelRoute"), source, clock))
        return ModelPerformer(routes[-1], artifacts, LiveEvents(), clock)

    harness = Harness(
        folder,
        specs=specs,
        clock=clock,
        artifacts=artifacts,
        database=WatchedDatabase(
            await open_database(f"sqlite:///{folder / 'runtime.db'}", METADATA), quiet_loop()
        ),
        performers={
            "tool": performer,
            "check": CheckPerformer(performer, artifacts),
            "memory": MemoryPerformer(LocalPeer("memory", memory), artifacts),
            "model": _models(scripted, model),
        },
        lister=directory,
        approval_expiry=_expiry(project),
        grace=0.0,
    )
    return Stage(harness, clock, directory, tools, memory, scripted, tuple(routes))


def _tools(case: Case, project: Project, clock: VirtualClock) -> ScriptedTools:
    named: dict[str, set[str]] = {}
    for answer in case.tools:
        named.setdefault(answer.server, set()).add(answer.name)
    gate = ToolGate(project, named, clock)
    return ScriptedTools(clock, Script(tool_answers(case)), gate.listed(), gate, gate.limits())


def _models(
    scripted: Mapping[str, ScriptedModel], perform: Callable[[ProviderSource], ModelPerformer]
) -> ModelsByAgent:
    by_agent = {agent: perform(OneProvider(model)) for agent, model in scripted.items()}
    usual = by_agent.pop(EVERY_AGENT, None) or perform(PlaybooksOnly())
    return ModelsByAgent(usual, by_agent)


def _checker(project: Project) -> Callable[[str, Any], tuple[str, str]]:
    """Returns the check that the memory service makes of what is saved."""
    schemas = {
        name: {field: kind for field, word in spec.get("payload", {}).items() if (kind := field_type(word))}
        for name, spec in project.of_kind("MemoryCollection").items()
    }

    def check(collection: str, payload: Any) -> tuple[str, str]:
        return next(iter(check_payload(payload, schemas[collection], "payload")), ("", ""))

    return check


def _expiry(project: Project) -> Callable[[str, str], float | None]:
    policies = project.of_kind("ApprovalPolicy")

    def expiry(_tenant: str, policy: str) -> float | None:
        text = policies.get(policy, {}).get("expiresAfter")
        return duration_seconds(text) if text else DEFAULT_EXPIRY

    return expiry
