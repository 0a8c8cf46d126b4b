"""How clients reach some worker: they ask until there is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from quarterdeck.common.errors import DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from quarterdeck.runtime.simulation.cluster import PATIENCE, Cluster
from quarterdeck.runtime.simulation.hosts import Host, Surroundings
from quarterdeck.runtime.testing.harness import TENANT


class Requests:
    """What a client does to runs."""

    def __init__(self, around: Surroundings, cluster: Cluster) -> None:
        self._around = around
        self._cluster = cluster

    async def do(self, run_id: str, operation: Callable[..., Any], *args: Any) -> None:
        """Does something to a run; nothing if it is over."""

        async def work(host: Host) -> None:
            engine, now = host.engine, host.engine.clock.now()
            woken = await engine.database.write(operation, TENANT, run_id, *args, now)
            await engine.wake(*woken)

        try:
            await self.insist(work)
        except (FailedPrecondition, NotFound):
            return  # it is over

    def is_with_frozen(self, run_id: str) -> bool:
        """Returns whether a worker that is frozen, and stays so for some time, has the run."""
        soon = self._around.loop.time() + PATIENCE
        hosts = [host for host in self._cluster.hosts if host.process.is_frozen]
        frozen = [host.worker for host in hosts if host.process.frozen_until > soon]
        return any(run_id in worker._runs for worker in frozen)

    async def insist(self, what: Callable[[Host], Coroutine[Any, Any, Any]]) -> Any:
        """Asks until there is an answer."""
        while True:
            try:
                return await self._cluster.ask(what)
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(0.3 + 0.4 * self._around.chance.random())
