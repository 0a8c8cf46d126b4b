"""What a pinned spec declares that its runs use: tools of servers, and collections. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quarterdeck.common.proofs.holders import ANY, Uses


def uses_of_agent(spec: Mapping[str, Any]) -> Uses:
    """Returns what an Agent declares; a server without names stands for all of its tools."""
    grants = spec.get("tools") or ()
    memories = spec.get("memory") or ()
    return Uses(
        frozenset(f"{grant['server']}/{name}" for grant in grants for name in grant.get("names") or (ANY,)),
        frozenset(one["collection"] for one in memories),
        frozenset(one["collection"] for one in memories if one.get("access") == "readWrite"),
    )


def uses_of_workflow(nodes: Iterable[Mapping[str, Any]]) -> Uses:
    """Returns what the nodes of a Workflow do, those that undo and those within others included."""
    steps = [step for node in nodes for step in _steps(node)]
    calls = [step["tool"] for step in steps if step.get("tool")]
    memories = [step["memory"] for step in steps if step.get("memory")]
    return Uses(
        frozenset(f"{call['server']}/{call['name']}" for call in calls),
        frozenset(one["collection"] for one in memories if one.get("search") is not None),
        frozenset(one["collection"] for one in memories if one.get("search") is None),
    )


def _steps(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    if node.get("map"):
        yield node["map"]
    if node.get("compensate"):
        yield from _steps(node["compensate"])
    for branch in (node.get("parallel") or {}).get("branches") or ():
        yield from _steps(branch)
