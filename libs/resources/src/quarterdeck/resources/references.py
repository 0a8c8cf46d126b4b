"""Which other objects an object names, and whether what it names is there."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.resources.access import AccessBinding
from quarterdeck.resources.agent import Agent
from quarterdeck.resources.approvalpolicy import ApprovalPolicy
from quarterdeck.resources.constants import BUILT_IN_ROLES
from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.field_errors import closest
from quarterdeck.resources.kinds import KINDS
from quarterdeck.resources.mcpserver import MCPServer
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.modelroute import ModelRoute
from quarterdeck.resources.policy import PlatformPolicy, Policy
from quarterdeck.resources.trigger import Trigger
from quarterdeck.resources.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another object of the same tenant.

    `part` is what is named inside it: a tool of an MCPServer or a tier of a ModelRoute, else empty. An
    `optional` reference does no harm when it does not resolve.
    """

    kind: str
    name: str
    path: str
    optional: bool = False
    part: str = ""


def references(resource: Resource) -> list[Reference]:
    """Return every reference of an object, in the order of its fields."""
    finder = _FINDERS.get(resource.kind)
    return list(finder(resource)) if finder else []


def pinned_references(resource: Resource) -> list[Reference]:
    """Return the references whose targets a run pins when it starts; the others are read live."""
    return [reference for reference in references(resource) if KINDS[reference.kind].pinned]


def unresolved(
    resource: Resource, find: Callable[[str, str], Resource | None], required_only: bool = True
) -> list[FieldError]:
    """Return an error for each reference that does not resolve; `find(kind, name)` looks objects up."""
    wanted = [ref for ref in references(resource) if not (required_only and ref.optional)]
    return [error for ref in wanted if (error := problem(ref, find(ref.kind, ref.name)))]


def problem(reference: Reference, target: Resource | None) -> FieldError | None:
    """Return why a reference does not resolve to `target`, None when it does."""
    if target is None:
        hint = "it starts to work when there is one"
        return FieldError(reference.path, f"there is no {reference.kind} {reference.name!r}", hint)
    if reference.part and isinstance(target, ModelRoute):
        return _tier_problem(reference, target)
    if reference.part and isinstance(target, MCPServer):
        return _tool_problem(reference, target)
    return None


def _tier_problem(reference: Reference, route: ModelRoute) -> FieldError | None:
    tiers = [tier.name for tier in route.spec.tiers]
    if reference.part in tiers:
        return None
    message = f"ModelRoute {reference.name!r} has no tier {reference.part!r}"
    return FieldError(reference.path, message, f"tiers: {', '.join(tiers)}")


def _tool_problem(reference: Reference, server: MCPServer) -> FieldError | None:
    """A server that has not told its tools yet is given the benefit of the doubt."""
    allowed = server.spec.allowed_tools
    if allowed is not None and reference.part not in allowed:
        message = f"MCPServer {reference.name!r} does not allow the tool {reference.part!r}"
        return FieldError(reference.path, message, "see its allowedTools")
    known = [tool.name for tool in server.status.tools] if server.status else []
    if not known or reference.part in known:
        return None
    message = f"MCPServer {reference.name!r} has no tool {reference.part!r}"
    return FieldError(
        reference.path, message, closest(reference.part, known) or f"tools: {', '.join(known[:20])}"
    )


def _agent(agent: Agent) -> Iterator[Reference]:
    spec = agent.spec
    yield Reference("ModelRoute", spec.model.route, "spec.model.route", part=spec.model.tier)
    for i, grant in enumerate(spec.tools):
        yield from _tools(f"spec.tools[{i}]", grant.server, grant.names)
    for i, other in enumerate(spec.agents):
        yield Reference("Agent", other.name, f"spec.agents[{i}].name")
    for i, memory in enumerate(spec.memory):
        yield Reference("MemoryCollection", memory.collection, f"spec.memory[{i}].collection")
    if spec.ask_person:
        yield Reference("ApprovalPolicy", spec.ask_person.policy, "spec.askPerson.policy")
    for i, approval in enumerate(spec.approvals):
        yield Reference("ApprovalPolicy", approval.policy, f"spec.approvals[{i}].policy")


def _tools(path: str, server: str, names: list[str]) -> Iterator[Reference]:
    yield Reference("MCPServer", server, f"{path}.server")
    for index, name in enumerate(names):
        yield Reference("MCPServer", server, f"{path}.names[{index}]", part=name)


def _workflow(workflow: Workflow) -> Iterator[Reference]:
    for i, node in enumerate(workflow.spec.nodes):
        path = f"spec.nodes[{i}]"
        yield from _calls(node, path)
        for j, branch in enumerate(node.parallel.branches if node.parallel else []):
            yield from _calls(branch, f"{path}.parallel.branches[{j}]")
        if node.map:
            yield from _calls(node.map, f"{path}.map")
        if node.approval:
            yield Reference("ApprovalPolicy", node.approval.policy, f"{path}.approval.policy")
        if node.compensate:
            yield from _calls(node.compensate, f"{path}.compensate")


def _calls(holder: Any, path: str) -> Iterator[Reference]:
    """Yield what the fields tool, agent, workflow and memory of a node, branch, map or undoing name."""
    if tool := getattr(holder, "tool", None):
        yield Reference("MCPServer", tool.server, f"{path}.tool.server")
        yield Reference("MCPServer", tool.server, f"{path}.tool.name", part=tool.name)
    for field, kind in (("agent", "Agent"), ("workflow", "Workflow")):
        if target := getattr(holder, field, None):
            plain = isinstance(target, str)
            yield Reference(
                kind, target if plain else target.name, f"{path}.{field}{'' if plain else '.name'}"
            )
    if memory := getattr(holder, "memory", None):
        yield Reference("MemoryCollection", memory.collection, f"{path}.memory.collection")


def _trigger(trigger: Trigger) -> Iterator[Reference]:
    target = trigger.spec.target
    yield Reference(target.kind, target.name, "spec.target.name")


def _policy(policy: Policy | PlatformPolicy) -> Iterator[Reference]:
    for i, rule in enumerate(policy.spec.rules):
        if rule.approval:
            yield Reference("ApprovalPolicy", rule.approval, f"spec.rules[{i}].approval")


def _approval_policy(policy: ApprovalPolicy) -> Iterator[Reference]:
    if policy.spec.escalate_to:
        yield Reference("ApprovalPolicy", policy.spec.escalate_to, "spec.escalateTo")


def _binding(binding: AccessBinding) -> Iterator[Reference]:
    if binding.spec.role not in BUILT_IN_ROLES:
        yield Reference("AccessRole", binding.spec.role, "spec.role")


_FINDERS: Mapping[str, Callable[[Any], Iterator[Reference]]] = {
    "Agent": _agent,
    "Workflow": _workflow,
    "Trigger": _trigger,
    "Policy": _policy,
    "PlatformPolicy": _policy,
    "ApprovalPolicy": _approval_policy,
    "AccessBinding": _binding,
}
