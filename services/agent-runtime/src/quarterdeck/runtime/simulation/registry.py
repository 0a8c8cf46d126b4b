"""The simulated registry: what the newest revisions are, and a change of them while runs are under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import NotFound
from quarterdeck.runtime.simulation.definitions import WORKFLOWS
from quarterdeck.v1 import resources_pb2

# Workflows that name no other: a closure of theirs is their own revision.
ALONE = frozenset({"chain", "waiting", "listening", "parked", "brief", "undoing", "forever"})


class Registry:
    """Answers `ResolveClosure` for some workflows. `changed`: each has a newer revision by now."""

    def __init__(self) -> None:
        self.changed = False

    def take(self, name: str, request: Any, reply: Callable[[Any], None]) -> None:
        """Receives a request."""
        if name != "ResolveClosure" or request.kind != "Workflow" or request.name not in ALONE:
            reply(NotFound(f"no {request.kind} {request.name}"))
            return
        spec = dict(WORKFLOWS[request.name])
        if self.changed:
            spec["description"] = "as it is by now"
        response = resources_pb2.Closure()
        response.revisions.add(
            revision=f"{request.kind}/{request.name}@{codec.digest(spec)[:12]}",
            kind=request.kind,
            name=request.name,
            spec_json=codec.dumps(spec),
        )
        reply(response)
