"""What a run pins: every Workflow and Agent that it can reach, each as it is in force now."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.registry import store
from quarterdeck.registry.constants import PINNED_KINDS
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.pins import Pinned, PinnedRevisions
from quarterdeck.registry.records import Key
from quarterdeck.registry.world import World, target_of
from quarterdeck.v1 import resources_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator


async def resolve(mirror: Mirror, world: World, pins: PinnedRevisions, root: Key) -> resources_pb2.Closure:
    """Returns the root's revision, then all that it reaches, nearest first, and what it misses.

    Workflows and Agents may name each other in circles; each is visited once.

    Raises:
        NotFound: there is no such root.
        FailedPrecondition: no spec of the root was ever accepted.
    """
    entry = mirror.get(root)
    if entry is None:
        raise store.missing(root)
    if entry.in_force is None:
        raise FailedPrecondition(
            f"no spec of {root} was accepted yet", hint="see its condition Accepted", reason="NotAccepted"
        )
    closure, seen, ahead = resources_pb2.Closure(), {root}, deque([(root, entry.in_force.revision)])
    while ahead:
        key, revision = ahead.popleft()
        pinned = await pins.get(key.tenant_id, revision)
        closure.revisions.append(pinned.message)
        closure.missing.extend(_missing(world, key, pinned))
        for target, in_force in _pinned_targets(mirror, key, pinned):
            if target not in seen:
                seen.add(target)
                ahead.append((target, in_force))
    return closure


def _pinned_targets(mirror: Mirror, key: Key, pinned: Pinned) -> Iterator[tuple[Key, str]]:
    for reference in pinned.references:
        target = target_of(key.tenant_id, reference)
        entry = mirror.get(target) if target.kind in PINNED_KINDS else None
        if entry is not None and entry.in_force is not None:
            yield target, entry.in_force.revision


def _missing(world: World, key: Key, pinned: Pinned) -> Iterator[str]:
    """Yields "Kind/name (where it is named)"; a tool is named behind its server, "MCPServer/ledger/book"."""
    for finding in world.findings(key.tenant_id, pinned.references):
        if not finding.pending:
            reference = finding.reference
            part = f"/{reference.part}" if reference.part else ""
            yield f"{reference.kind}/{reference.name}{part} ({key} {reference.path})"
