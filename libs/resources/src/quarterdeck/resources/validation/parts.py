"""What single kinds ask for beyond their schema."""

from collections.abc import Iterator

from quarterdeck.resources.agent import Agent
from quarterdeck.resources.diff import canonical_json
from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.mcpserver import MCPServer
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.modelroute import ModelRoute

MAX_OBJECT_BYTES = 1_048_576
"""Largest spec, as JSON; etcd takes no more either."""


def size(resource: Resource) -> Iterator[FieldError]:
    """The whole spec is small enough to be stored."""
    found = len(canonical_json(resource.spec.to_json()))
    if found > MAX_OBJECT_BYTES:
        yield FieldError("spec", f"the spec takes {found} bytes, more than {MAX_OBJECT_BYTES}")


def agent_approvals(agent: Agent) -> Iterator[FieldError]:
    """Approvals are about tools that the agent has."""
    granted = {grant.server: grant.names for grant in agent.spec.tools}
    for i, approval in enumerate(agent.spec.approvals):
        path = f"spec.approvals[{i}]"
        if approval.server not in granted:
            hint = f"add it to spec.tools; there are: {', '.join(granted) or 'none'}"
            yield FieldError(f"{path}.server", f"the agent has no tools of {approval.server!r}", hint)
        elif names := granted[approval.server]:
            for j, name in enumerate(approval.names):
                if name not in names:
                    yield FieldError(
                        f"{path}.names[{j}]", f"the agent has no tool {name!r}", "see spec.tools"
                    )


def server_tools(server: MCPServer) -> Iterator[FieldError]:
    """Settings and checks are about tools that may be used."""
    allowed = server.spec.allowed_tools
    for i, tool in enumerate(server.spec.tools):
        path = f"spec.tools[{i}]"
        if allowed is not None and tool.name not in allowed:
            yield FieldError(f"{path}.name", f"{tool.name!r} is not in allowedTools")
        if tool.check and tool.check.tool == tool.name:
            yield FieldError(f"{path}.check.tool", "a check uses another, read-only tool")


def route_playbooks(route: ModelRoute) -> Iterator[FieldError]:
    """A playbook provider has a playbook, as a path or as its content."""
    for i, tier in enumerate(route.spec.tiers):
        for j, provider in enumerate(tier.providers):
            path = f"spec.tiers[{i}].providers[{j}].playbook"
            if provider.provider == "playbook" and provider.playbook is None:
                yield FieldError(path, "the playbook provider needs it", "a path, or the playbook itself")
            elif provider.playbook is not None and not isinstance(provider.playbook, (str, dict)):
                yield FieldError(path, "a path or an object is needed")
