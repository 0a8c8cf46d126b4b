"""What a run pins when it starts: the Workflows and Agents it can reach."""

from collections.abc import Callable

from quarterdeck.resources.kinds import KINDS
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.references import Reference, pinned_references

PINNED_KINDS = frozenset(info.kind for info in KINDS.values() if info.pinned)
"""Kinds whose revision a run keeps from its start."""

LIVE_KINDS = frozenset(KINDS) - PINNED_KINDS
"""Kinds that are read at each use."""


def closure(
    root: Resource, find: Callable[[str, str], Resource | None]
) -> tuple[list[Resource], list[Reference]]:
    """Return the root and everything it pins, transitively and each once, and what was not found."""
    found = {(root.kind, root.metadata.name): root}
    missing: list[Reference] = []
    pending = [root]
    while pending:
        for reference in pinned_references(pending.pop(0)):
            key = (reference.kind, reference.name)
            if key in found:
                continue
            target = find(*key)
            if target is None:
                missing.append(reference)
            else:
                found[key] = target
                pending.append(target)
    return list(found.values()), missing
