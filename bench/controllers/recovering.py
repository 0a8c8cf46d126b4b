"""Recovery: a watch whose connection is half open, and a leader that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from pathlib import Path

from report import Figure

from controllers import entrants, rounds
from controllers.entrants import KOPF, Entrant
from controllers.ground import AGENTS, Ground, agent, ground, made
from quarterdeck.controller.testing.proxy import FaultyProxy

BOUND = 75.0
# Seconds after which a side counts as one that does not come back.
GIVEN_UP = 180.0
KILLS = 3
Start = Callable[[Path], AbstractContextManager[Entrant]]


async def answered(here: Ground, number: int, bound: float = GIVEN_UP) -> float:
    """Applies one Agent and returns the seconds until it is ready; `bound` if it is not by then."""
    version = await rounds.now(here)
    began = time.perf_counter()
    await here.client.create(AGENTS, agent(number))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(bound):
            await rounds.all_ready(here, version, 1)
            return time.perf_counter() - began
    return bound


async def after_stall(folder: Path, start: Start) -> float:
    """Runs a side behind a proxy that passes nothing any more on the connections there are."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(ground(folder))
        proxy = FaultyProxy(here.plane.port)
        await proxy.start()
        stack.push_async_callback(proxy.stop)
        behind = folder / "behind-the-proxy"
        here.plane.write_kubeconfig(behind, proxy.listening, here.plane.token)
        side = stack.enter_context(start(behind))
        await side.rest()
        await answered(here, 0)
        await side.rest()
        proxy.stall()
        return await answered(here, 1)


async def half_open(folder: Path, database: str) -> list[Figure]:
    """Measures both sides at the same time: they wait more than they work."""

    def ours(kubeconfig: Path) -> AbstractContextManager[Entrant]:
        return entrants.ours(kubeconfig, database, folder / "half-open-registry")

    def kopf(kubeconfig: Path) -> AbstractContextManager[Entrant]:
        return entrants.kopf(kubeconfig, folder / "half-open-kopf.log")

    async with asyncio.TaskGroup() as group:
        mine = group.create_task(after_stall(made(folder / "half-open"), ours))
        theirs = group.create_task(after_stall(made(folder / "half-open-kopf"), kopf))
    a, b = mine.result(), theirs.result()
    name = "half-open watch, until an object applied since is Ready"
    peer = KOPF if b < GIVEN_UP else f"{KOPF}, not yet"
    return [Figure(name, "s", a, b, peer, a / b, f"<= {BOUND:.0f} s", a <= BOUND)]


@contextlib.contextmanager
def standing_by(here: Ground, database: str, folder: Path, number: int) -> Iterator[Entrant]:
    """Runs one more replica."""
    with entrants.ours(here.plane.kubeconfig, database, folder / f"replica-{number}") as entrant:
        yield entrant


async def failover(folder: Path, database: str) -> list[Figure]:
    """Kills the leader of two replicas several times; the other takes over, and a new one stands by."""
    taken: list[float] = []
    async with ground(made(folder / "failover")) as here:
        with ExitStack() as stack:
            leader = stack.enter_context(standing_by(here, database, folder, 0))
            await leader.rest()
            await answered(here, 0)
            for number in range(1, KILLS + 1):
                other = stack.enter_context(standing_by(here, database, folder, number))
                await other.rest()
                leader.process.kill()
                leader.process.wait()
                taken.append(await answered(here, number))
                leader = other
    name = "leader killed with -9, until an object applied then is Ready"
    return [
        Figure(f"{name}, median of {KILLS}", "s", statistics.median(taken), None, "", None, "said", None),
        Figure("the same, longest", "s", max(taken), None, "", None, "said", None),
    ]
