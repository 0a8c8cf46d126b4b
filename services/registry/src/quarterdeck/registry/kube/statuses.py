"""What the registry says in the status of an object in a cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from quarterdeck.common.clock import rfc3339
from quarterdeck.controller.objects import Object, metadata
from quarterdeck.registry import conditions
from quarterdeck.registry.conditions import Condition


class Others(NamedTuple):
    """What another controller says in the status of an object: fields, and types of conditions."""

    fields: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


_OF_PODS = Others(frozenset({"imageDigest"}), frozenset({"Ready", "Progressing"}))


def others(thing: Object) -> Others:
    """Returns what is not ours to say of an object: how the pods of a tool server are."""
    of_pods = thing["kind"] == "MCPServer" and (thing.get("spec") or {}).get("container")
    return _OF_PODS if of_pods else Others()


def ours(thing: Object, status: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of a status that is ours to say of `thing`."""
    theirs = others(thing)
    mine = {name: value for name, value in status.items() if name not in theirs.fields}
    kept = [item for item in status.get("conditions", []) if item["type"] not in theirs.types]
    return mine | {"conditions": kept} if "conditions" in status else mine


def theirs(thing: Object) -> tuple[dict[str, Any], list[Condition], int]:
    """Returns what another controller said of an object: fields, conditions, and for which generation."""
    known, status = others(thing), thing.get("status") or {}
    found = [item for item in status.get("conditions", []) if item["type"] in known.types]
    said = [Condition(item["type"], item["status"], item["reason"], item["message"]) for item in found]
    fields = {name: status.get(name) for name in known.fields}
    return fields, said, min((item.get("observedGeneration", 0) for item in found), default=0)


def says(thing: Object, wanted: dict[str, Any]) -> bool:
    """True if the status of `thing` holds all of `wanted` already, and nothing of ours beside it."""
    present = ours(thing, thing.get("status") or {})
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


def news(before: Sequence[Mapping[str, Any]], status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the conditions that are worth an Event: what went wrong, for another reason, or is mended."""
    known = {item["type"]: item for item in before}
    return [item for item in status.get("conditions", []) if _is_news(known.get(item["type"], {}), item)]


def _is_news(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    if now["status"] == conditions.FALSE:
        return (before.get("status"), before.get("reason")) != (now["status"], now["reason"])
    return bool(now["status"] == conditions.TRUE and before.get("status") == conditions.FALSE)


# What an earlier spec that is in force goes on to say.
_STANDING = ("revision", "id", "namespace")
