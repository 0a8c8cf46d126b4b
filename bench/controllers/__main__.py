"""Measures controllers and reports; `make bench-controllers`.

python -m controllers [--count 1000] [--rounds 5] [--minutes 2] [--only ROW ...]     (in bench/)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from report import Figure, keep, report
from runtime.servers import Servers, servers

from controllers import entrants, recovering, rounds
from controllers.asked import at_rest
from controllers.entrants import KOPF, LIBRARY, OURS, Entrant
from controllers.ground import Ground, ground, made

ROWS = ("many", "half-open", "failover")


@dataclass(frozen=True, slots=True)
class Field:
    """All sides at work, each on its own ground."""

    grounds: dict[str, Ground]
    sides: dict[str, Entrant]


@contextlib.asynccontextmanager
async def field(folder: Path, found: Servers, url: str) -> AsyncIterator[Field]:
    """Starts all sides, each on a ground of its own, and waits until they rest."""
    async with contextlib.AsyncExitStack() as stack:
        grounds = {
            name: await stack.enter_async_context(ground(made(folder / name)))
            for name in (OURS, LIBRARY, KOPF)
        }
        where = {name: each.plane.kubeconfig for name, each in grounds.items()}
        helpers = found.postgres.processes[0].pid
        starts = {
            OURS: entrants.ours(where[OURS], url, folder / "data", helpers),
            LIBRARY: entrants.library(where[LIBRARY], folder / "library.log"),
            KOPF: entrants.kopf(where[KOPF], folder / "kopf.log"),
        }
        sides = {name: stack.enter_context(start) for name, start in starts.items()}
        for side in sides.values():
            await side.rest()
        yield Field(grounds, sides)


async def many(here: Field, count: int, wanted: int, title: str) -> list[Figure]:
    """Measures turn by turn; who begins changes from round to round. The first round warms up."""
    turns: dict[str, list[rounds.Turn]] = {name: [] for name in here.sides}
    order = list(here.sides)
    for number in range(wanted + 1):
        order.append(order.pop(0))
        for name in order:
            taken = await rounds.turn(here.grounds[name], here.sides[name], count)
            print(f"round {number} {name}: {taken}", file=sys.stderr, flush=True)
            if number:
                turns[name].append(taken)
    return rounds.figures(dict(turns), title)


async def at_work(place: Path, found: Servers, url: str, options: argparse.Namespace) -> list[Figure]:
    """Measures all sides with many objects: at work, and at rest."""
    async with field(place, found, url) as here:
        title = f"{options.count:,} Agents applied until all Ready"
        applied = await many(here, options.count, options.rounds, title)
        keep("controllers", applied)
        return [*applied, *await at_rest(here.grounds, here.sides, options.count, options.minutes)]


async def measure(found: Servers, urls: dict[str, str], options: argparse.Namespace) -> list[Figure]:
    """Returns the figures of the rows that are wanted; keeps what it has after each."""
    with tempfile.TemporaryDirectory(prefix="bench-controllers-") as name:
        place = Path(name)
        rows = {
            "many": lambda: at_work(made(place / "many"), found, urls["many"], options),
            "half-open": lambda: recovering.half_open(place, urls["half-open"]),
            "failover": lambda: recovering.failover(place, urls["failover"]),
        }
        figures: list[Figure] = []
        for row in options.only or rows:
            figures += await rows[row]()
            keep("controllers", figures)
    return figures


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="objects")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=2, help="of rest")
    parser.add_argument("--only", nargs="*", choices=ROWS, help="rows")
    options = parser.parse_args()
    # A terminated run stops its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))
    with servers() as found:
        urls = {name: found.database(name) for name in ROWS}
        figures = asyncio.run(measure(found, urls, options))
    report("controllers", figures)


if __name__ == "__main__":
    main()
