"""What the registry says in the status of an object in a cluster. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarterdeck.common.clock import rfc3339
from quarterdeck.controller.objects import Object, metadata
from quarterdeck.registry import conditions
from quarterdeck.registry.conditions import Condition


def says(thing: Object, wanted: dict[str, Any]) -> bool:
    """True if the status of `thing` holds all of `wanted` already, and nothing of ours beside it."""
    present = thing.get("status") or {}
    if any(present.get(name) != value for name, value in wanted.items() if name != "conditions"):
        return False
    found = {item["type"]: item for item in present.get("conditions", [])}
    said = {item["type"]: item for item in wanted.get("conditions", [])}
    return found == said


def patch(thing: Object, status: dict[str, Any]) -> Object:
    """Returns the server-side apply that writes `status` to the object of that name."""
    meta = metadata(thing)
    names = {name: meta[name] for name in ("name", "namespace", "uid") if name in meta}
    return {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": names, "status": status}


def refused(thing: Object, verdicts: Sequence[Condition], now: float) -> dict[str, Any]:
    """Returns the status of an object that is not in our tables: what was refused, or belongs to nobody."""
    meta = metadata(thing)
    present = (thing.get("status") or {}).get("conditions", [])
    generation = int(meta.get("generation", 1))
    merged = conditions.merged(present, verdicts, generation, rfc3339(now))
    kept = {name: value for name, value in (thing.get("status") or {}).items() if name in _STANDING}
    return kept | {"observedGeneration": generation, "conditions": merged}


# What an earlier spec that is in force goes on to say.
_STANDING = ("revision", "id", "namespace")
