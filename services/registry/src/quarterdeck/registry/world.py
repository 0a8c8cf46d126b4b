"""What references find: judged against the objects in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.registry import parsed
from quarterdeck.registry.conditions import Problem
from quarterdeck.registry.constants import PINNED_KINDS, REASON_NOT_FOUND, REASON_TOOLS_NOT_LISTED
from quarterdeck.registry.manifests import problem_of
from quarterdeck.registry.mirror import Entry, Mirror
from quarterdeck.registry.records import CLUSTER, Key, is_cluster_scoped

if TYPE_CHECKING:
    from quarterdeck.registry.manifests import Others
    from quarterdeck.resources.metadata import Resource
    from quarterdeck.resources.references import Reference

TOOL_SERVER = "MCPServer"
# Parsed objects kept at a time.
REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """One reference that does not resolve; `pending` if nobody knows yet."""

    reference: Reference
    problem: Problem
    pending: bool = False


class World:
    """Answers whether references resolve. An object is parsed once for each of its versions."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._parsed: dict[Key, tuple[int, Resource]] = {}

    def findings(self, tenant_id: str, references: Iterable[Reference]) -> list[Finding]:
        """Returns the references of a tenant's object that do not resolve."""
        found = (self._judge(tenant_id, reference) for reference in references)
        return [finding for finding in found if finding is not None]

    def others(self, tenant_id: str, references: Iterable[Reference]) -> Others:
        """Returns what is in force of the Agents and Workflows among the references: they give types."""
        found: dict[tuple[str, str], Resource] = {}
        for reference in references:
            entry = self._mirror.get(target_of(tenant_id, reference))
            if reference.kind in PINNED_KINDS and entry is not None and entry.in_force is not None:
                found[reference.kind, reference.name] = self._resource(entry)
        return found

    def _judge(self, tenant_id: str, reference: Reference) -> Finding | None:
        from quarterdeck.resources.references import problem

        entry = self._mirror.get(target_of(tenant_id, reference))
        if entry is not None and entry.in_force is None:
            said = f"{reference.kind} {reference.name!r} has no accepted spec yet"
            return Finding(reference, Problem(reference.path, said, REASON_NOT_FOUND))
        if entry is not None and not reference.part:
            return None
        target = None if entry is None else self._resource(entry)
        error = problem(reference, target)
        if error is not None:
            return Finding(reference, problem_of(error, REASON_NOT_FOUND))
        return _not_known_yet(reference, target)

    def _resource(self, entry: Entry) -> Resource:
        version, resource = self._parsed.get(entry.key, (0, None))
        if resource is None or version != entry.version:
            shown = entry.in_force or entry.written
            resource = parsed.of_json(shown.object_json)
            if len(self._parsed) >= REMEMBERED:
                self._parsed.clear()
            self._parsed[entry.key] = (entry.version, resource)
        return resource


def target_of(tenant_id: str, reference: Reference) -> Key:
    """Returns the key of what a tenant's object names."""
    scope = CLUSTER.tenant_id if is_cluster_scoped(reference.kind) else tenant_id
    return Key(scope, reference.kind, reference.name)


def _not_known_yet(reference: Reference, target: Resource | None) -> Finding | None:
    """A server that has not told its tools yet may have the one that is named, or not."""
    if target is None or target.kind != TOOL_SERVER or getattr(target.status, "tools", None):
        return None
    said = f"MCPServer {reference.name!r} has not listed its tools yet, so {reference.part!r} is not known"
    return Finding(reference, Problem(reference.path, said, REASON_TOOLS_NOT_LISTED), pending=True)
