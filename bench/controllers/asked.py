"""What a side asks of the API server while nothing changes, by the server's own audit log."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from report import Figure

from controllers.entrants import KOPF, LIBRARY, OURS, Entrant
from controllers.ground import Ground
from controllers.rounds import apply, clear

# How each side's requests name themselves.
AGENTS_OF = {OURS: "quarterdeck", LIBRARY: "quarterdeck", KOPF: "kopf"}


def kind_of(event: Mapping[str, Any]) -> str:
    """Returns what a request counts as: "watch", "lease" or "call"."""
    if event["verb"] == "watch":
        return "watch"
    return "lease" if event.get("objectRef", {}).get("resource") == "leases" else "call"


def counted(lines: Iterable[str], user_agent: str) -> Counter[str]:
    """Counts the finished requests of a user agent by their kind; a watch when it is opened."""
    found: Counter[str] = Counter()
    for line in lines:
        event = json.loads(line)
        kind = kind_of(event)
        stage = "ResponseStarted" if kind == "watch" else "ResponseComplete"
        if event["stage"] == stage and user_agent in event.get("userAgent", "").lower():
            found[kind] += 1
    return found


async def at_rest(
    grounds: Mapping[str, Ground], sides: Mapping[str, Entrant], count: int, minutes: float
) -> list[Figure]:
    """Leaves all sides alone with `count` objects and counts what they ask."""
    for name, here in grounds.items():
        await apply(here, count)
        await sides[name].rest()
    before = {name: here.audit.stat().st_size for name, here in grounds.items()}
    used = {name: side.cpu() for name, side in sides.items()}
    await asyncio.sleep(minutes * 60)
    found: dict[str, Counter[str]] = {}
    for name, here in grounds.items():
        with here.audit.open() as log:
            log.seek(before[name])
            found[name] = counted(log, AGENTS_OF[name])
    busy = {name: (side.cpu() - used[name]) / minutes for name, side in sides.items()}
    for here in grounds.values():
        await clear(here)
    return figures(found, busy, count, minutes)


def figures(
    found: Mapping[str, Counter[str]], busy: Mapping[str, float], count: int, minutes: float
) -> list[Figure]:
    """Returns what was asked per minute; only calls have a target."""

    def per_minute(kind: str, said: str, target: str, met: bool | None) -> Figure:
        mine, theirs = found[OURS][kind] / minutes, found[KOPF][kind] / minutes
        return Figure(said, "/min", mine, theirs, KOPF, None, target, met)

    calls = per_minute("call", f"API calls at rest, {count:,} objects", "0", found[OURS]["call"] == 0)
    processor = Figure(
        "processor time at rest, per minute", "s", busy[OURS], busy[KOPF], KOPF, None, "said", None
    )
    return [
        calls,
        per_minute("lease", "renewals of leases at rest", "said", None),
        per_minute("watch", "watches opened at rest", "said", None),
        processor,
    ]
