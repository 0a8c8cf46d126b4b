"""HTTP routes that Triggers declare: one owner for each in the whole platform."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ANY = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path such as "/api/v1/accounts/{id}/analyze"; `field` is where the spec says it."""

    method: str
    path: str
    field: str


def routes_of(spec: dict[str, Any]) -> list[Route]:
    """Returns the routes that a Trigger's spec declares."""
    found = []
    http, webhook = spec.get("http"), spec.get("webhook")
    if http:
        found.append(Route(str(http.get("method", "POST")).upper(), str(http["path"]), "spec.http.path"))
    if webhook:
        found.append(Route("POST", str(webhook["path"]), "spec.webhook.path"))
    return found


def overlap(one: Route, other: Route) -> bool:
    """True if some request would match both."""
    if one.method != other.method and ANY not in {one.method, other.method}:
        return False
    ours, theirs = _segments(one.path), _segments(other.path)
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def taken(route: Route, others: Iterable[tuple[str, Route]]) -> str:
    """Returns who has a route that overlaps with `route`; empty if nobody."""
    return next((owner for owner, other in others if overlap(route, other)), "")


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _same(one: str, other: str) -> bool:
    return one == other or _is_parameter(one) or _is_parameter(other)


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")
