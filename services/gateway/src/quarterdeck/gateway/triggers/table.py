"""Which trigger answers a path. Pure: a table made of triggers, asked with a method and a path.

Two triggers may claim one path. The more literal template wins, segment by segment from the
left; between templates of one shape the older trigger wins, then the one whose tenant and
name come first. So the answer does not depend on the order in which triggers arrived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from quarterdeck.resources.reserved_paths import is_reserved

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Declared:
    """A route or webhook of a trigger."""

    tenant: str
    tenant_id: str
    name: str
    kind: Literal["http", "webhook"]
    method: str
    path: str
    created: str = ""
    paused: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def segments(self) -> tuple[str, ...]:
        """The template's segments."""
        return tuple(self.path.strip("/").split("/"))

    @property
    def shape(self) -> tuple[str, ...]:
        """The template without its parameters' names."""
        return tuple("{}" if _PARAMETER.fullmatch(segment) else segment for segment in self.segments)

    @property
    def order(self) -> tuple[Any, ...]:
        """The smaller wins."""
        return tuple(part == "{}" for part in self.shape), self.created, self.tenant, self.name

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Returns the path's parameters, or None if the path is another one."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for wanted, given in zip(self.segments, segments, strict=True):
            parameter = _PARAMETER.fullmatch(wanted)
            if parameter is not None and given:
                found[parameter[1]] = unquote(given)
            elif wanted != given:
                return None
        return found


@dataclass(frozen=True, slots=True)
class Matched:
    """What a path leads to: a declaration and its parameters, or the methods that it has instead."""

    declared: Declared | None
    parameters: dict[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()


def declared_by(tenant: str, tenant_id: str, obj: Mapping[str, Any]) -> Declared | None:
    """Returns what a Trigger object declares; None if it is of another sort.

    A path of the gateway's own is nobody's to declare: the registry refuses it, and what was stored
    before it did must not open such a path to a signature instead of a token.
    """
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    kind: Literal["http", "webhook"]
    if spec.get("http"):
        kind, options = "http", spec["http"]
    elif spec.get("webhook"):
        kind, options = "webhook", spec["webhook"]
    else:
        return None
    if is_reserved(str(options.get("path", ""))):
        return None
    return Declared(
        tenant=tenant,
        tenant_id=tenant_id,
        name=str(metadata.get("name", "")),
        kind=kind,
        method=str(options.get("method") or "POST").upper(),
        path=str(options.get("path", "")),
        created=str(metadata.get("creationTimestamp") or ""),
        paused=bool(spec.get("paused")),
        options=options,
    )


def find(table: Iterable[Declared], method: str, path: str) -> Matched | None:
    """Returns what a request leads to, None if no trigger declares its path."""
    segments = tuple(path.strip("/").split("/"))
    hits = [(item, found) for item in table if (found := item.match(segments)) is not None]
    fitting = [(item, found) for item, found in hits if item.method == method]
    if fitting:
        winner, parameters = min(fitting, key=lambda hit: hit[0].order)
        return Matched(winner, parameters)
    if hits:
        return Matched(None, allowed=tuple(sorted({item.method for item, _ in hits})))
    return None


def collisions(table: Iterable[Declared]) -> list[tuple[Declared, Declared]]:
    """Returns the pairs (winner, loser) of triggers that claim the same method and shape of path."""
    winners: dict[tuple[Any, ...], Declared] = {}
    pairs = []
    for item in sorted(table, key=lambda declared: declared.order):
        winner = winners.setdefault((item.method, item.shape), item)
        if winner is not item:
            pairs.append((winner, item))
    return pairs
