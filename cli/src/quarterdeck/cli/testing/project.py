"""The manifests that cases are about, read and checked as `qd apply` would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.cli.manifests import read_manifests
from quarterdeck.common.watching import Watched
from quarterdeck.resources.closure import closure
from quarterdeck.resources.kinds import parse_object
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.references import Reference, references
from quarterdeck.runtime.testing.harness import TENANT


@dataclass(frozen=True, slots=True)
class Project:
    """Objects by (kind, name)."""

    objects: Mapping[tuple[str, str], Resource]

    def of_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        """Returns the specs of a kind by name, as the registry serves them."""
        return {name: spec_of(found) for (k, name), found in self.objects.items() if k == kind}

    def spec(self, kind: str, name: str) -> dict[str, Any] | None:
        """Returns one spec, None if it is not there."""
        found = self.objects.get((kind, name))
        return None if found is None else spec_of(found)

    def watched(self, kind: str) -> list[Watched]:
        """Returns the objects of a kind as services see live ones."""
        return [
            Watched(TENANT.name, TENANT.id, kind, name, "", found.to_json())
            for (k, name), found in self.objects.items()
            if k == kind
        ]

    def pinned(self, kind: str, name: str) -> tuple[dict[str, dict[str, Any]], list[Reference]]:
        """Returns what a run of this target pins, by "Kind/name", the target first, and what is missing."""
        root = self.objects[kind, name]
        found, missing = closure(root, lambda k, n: self.objects.get((k, n)))
        return {f"{r.kind}/{r.metadata.name}": spec_of(r) for r in found}, missing

    def tools_named(self) -> dict[str, set[str]]:
        """Returns the tools that any object names, by server."""
        named: dict[str, set[str]] = {}
        for resource in self.objects.values():
            for reference in references(resource):
                if reference.kind == "MCPServer" and reference.part:
                    named.setdefault(reference.name, set()).add(reference.part)
        return named


def spec_of(resource: Resource) -> dict[str, Any]:
    """Returns an object's spec with its defaults, as the registry keeps it."""
    spec: dict[str, Any] = resource.to_json()["spec"]
    return spec


def read_project(folders: Sequence[Path]) -> Project:
    """Reads manifests. Raises CliError with everything that is wrong with them."""
    manifests = read_manifests([str(folder) for folder in folders])
    return Project({(m.kind, m.name): parse_object(m.data) for m in manifests})
