"""The job of both small controllers: what there is to say of an Agent, by the platform's own check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.resources.errors import ValidationFailed
from quarterdeck.resources.kinds import parse_object
from quarterdeck.resources.validation import validate

FIELDS = ("name", "namespace", "labels", "uid")


def route_of(thing: Mapping[str, Any]) -> str:
    """Returns the model route that an Agent names."""
    return str((thing["spec"].get("model") or {}).get("route", "default"))


def problems(thing: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with the spec, with paths."""
    meta = {name: thing["metadata"][name] for name in FIELDS if name in thing["metadata"]}
    content = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": meta}
    try:
        parsed = parse_object(content | {"spec": dict(thing["spec"])})
    except ValidationFailed as refused:
        return [f"{error.path}: {error.message}" for error in refused.errors]
    return [f"{error.path}: {error.message}" for error in validate(parsed)]


def found(thing: Mapping[str, Any], *, resolved: bool) -> dict[str, tuple[bool, str, str]]:
    """Returns the conditions: whether each holds, its reason and its message."""
    wrong = problems(thing)
    accepted = ("InvalidSpec", "; ".join(wrong)) if wrong else ("Accepted", "the spec is in force")
    missing = f"no ModelRoute {route_of(thing)!r}"
    references = ("Resolved", "all references resolve") if resolved else ("NotFound", missing)
    good = resolved and not wrong
    return {
        "Accepted": (not wrong, *accepted),
        "ResolvedRefs": (resolved, *references),
        "Ready": (good, *(("Ready", "ready") if good else ("NotReady", "see the others"))),
    }
