"""Which checks each kind goes through."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.known_schemas import Find, nothing
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.validation import access, graph, parts, routes, times
from quarterdeck.resources.validation.expressions import expressions
from quarterdeck.resources.validation.json_schemas import json_schemas

Check = Callable[[Any], Iterable[FieldError]]

EVERY_KIND: tuple[Check, ...] = (parts.size, times.durations, json_schemas)

BY_KIND: Mapping[str, tuple[Check, ...]] = {
    "Workflow": (
        graph.unknown_targets,
        graph.unreachable_nodes,
        graph.dead_edges,
        graph.unbounded_cycles,
        graph.finally_is_apart,
        graph.bodies,
    ),
    "Agent": (parts.agent_approvals,),
    "AccessRole": (access.known_kinds,),
    "MCPServer": (parts.server_tools,),
    "ModelRoute": (parts.route_playbooks,),
    "Trigger": (times.schedule, routes.route),
}


def validate(resource: Resource, find: Find = nothing) -> list[FieldError]:
    """Return everything that is wrong with a parsed object; empty when it may be accepted.

    What `find` knows of the objects that it names gives types to its expressions. Whether they are there is
    not asked here; see `references`.
    """
    checks = (*BY_KIND.get(resource.kind, ()), *EVERY_KIND)
    found = [error for check in checks for error in check(resource)]
    return [*found, *expressions(resource, find)]
