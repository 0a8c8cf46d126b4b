"""A thousand Agents applied until all are ready: turns of both sides, each on its own API server."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from report import Figure

from controllers.entrants import KOPF, LIBRARY, OURS, Entrant
from controllers.ground import AGENTS, NAMESPACE, Ground, agent, together
from quarterdeck.controller.api.client import Scope
from quarterdeck.controller.api.errors import Silent
from quarterdeck.controller.objects import Object, key_of, metadata, version_of

PATIENCE = 300.0
# Of kopf's figure: twice as fast, half the processor time and memory.
BOUND = 0.5
HERE = Scope(NAMESPACE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn took.

    Attributes:
        seconds: on the clock, until all were ready.
        applied: of these, until the last was applied, which is the API server's and the benchmark's work.
        cpu, helpers: seconds of processor time of the process, and of its helpers.
        memory: MiB.
    """

    seconds: float
    applied: float
    cpu: float
    helpers: float
    memory: float


async def turn(ground: Ground, entrant: Entrant, count: int) -> Turn:
    """Applies `count` Agents, waits until all are ready, waits for rest; then removes them, unmeasured."""
    await entrant.rest()
    cpu, helpers = entrant.cpu(), entrant.helpers_cpu()
    version = await now(ground)
    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        seen = group.create_task(all_ready(ground, version, count))
        await apply(ground, count)
        applied = time.perf_counter() - began
        await seen
    seconds = time.perf_counter() - began
    # What a side still does after the last word of the status is work for it all the same.
    await entrant.rest()
    found = Turn(seconds, applied, entrant.cpu() - cpu, entrant.helpers_cpu() - helpers, entrant.memory())
    await clear(ground)
    return found


async def now(ground: Ground) -> str:
    """Returns the version from which changes of Agents are to be followed."""
    return (await ground.client.list_page(AGENTS, HERE, limit=1)).resource_version


async def apply(ground: Ground, count: int) -> None:
    """Creates the Agents."""
    await together((lambda n=n: ground.client.create(AGENTS, agent(n))) for n in range(count))  # type: ignore[misc]


async def clear(ground: Ground) -> None:
    """Deletes every Agent."""
    names = [key_of(thing).name for thing in await ground.client.list_all(AGENTS, HERE)]
    await together((lambda n=n: ground.client.delete(AGENTS, n, NAMESPACE)) for n in names)  # type: ignore[misc]


async def all_ready(ground: Ground, version: str, count: int) -> None:
    """Returns when `count` objects have become ready since `version`, over as many watches as that takes."""
    ready: set[str] = set()
    while True:
        # A watch in which nothing happens is silent: the next one goes on where it was.
        with contextlib.suppress(Silent):
            async for event in ground.client.watch(AGENTS, HERE, resource_version=version, seconds=600):
                version = version_of(event.object)
                if event.type != "BOOKMARK" and is_ready(event.object):
                    ready.add(key_of(event.object).name)
                if len(ready) == count:
                    return


def is_ready(thing: Object) -> bool:
    """True if all three conditions of an Agent hold for its present spec."""
    status, generation = thing.get("status") or {}, metadata(thing).get("generation")
    good = {
        item["type"]
        for item in status.get("conditions", [])
        if item["status"] == "True" and item.get("observedGeneration") == generation
    }
    return good >= {"Accepted", "ResolvedRefs", "Ready"}


def figures(turns: dict[str, Sequence[Turn]], applied: str) -> list[Figure]:
    """Compares neighbouring turns of the registry, and of our library alone, with kopf's.

    Args:
        applied: the row's name.
    """
    found = [
        compared(what, unit, pick, [getattr(each, pick) for each in turns[side]], turns[KOPF])
        for side, named in ((OURS, applied), (LIBRARY, f"{applied}, libs/controller doing kopf's job"))
        for what, unit, pick in (
            (named, "s", "seconds"),
            (f"  processor time of the {side}", "s", "cpu"),
            (f"  resident memory of the {side}", "MiB", "memory"),
        )
    ]
    database = statistics.median(each.helpers for each in turns[OURS])
    ours = statistics.median(each.applied for each in turns[OURS])
    theirs = statistics.median(each.applied for each in turns[KOPF])
    return [
        *found,
        Figure("  processor time of PostgreSQL", "s", database, None, "", None, "said", None),
        Figure("  of all this, until the last was there", "s", ours, theirs, KOPF, None, "said", None),
    ]


def compared(what: str, unit: str, pick: str, mine: Sequence[float], others: Sequence[Turn]) -> Figure:
    """Returns one figure beside kopf's; the ratio is the median of those of neighbouring turns."""
    theirs = [float(getattr(each, pick)) for each in others]
    ratio = statistics.median(x / y for x, y in zip(mine, theirs, strict=True))
    middle, peer = statistics.median(mine), statistics.median(theirs)
    return Figure(what, unit, middle, peer, KOPF, ratio, f"<= {BOUND}x", ratio <= BOUND)
