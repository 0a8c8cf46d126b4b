"""The life of a process with controllers: fill the caches, wait to lead, act, end when it may no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.leading.leader import Leader
from quarterdeck.controller.running.object_controller import ObjectController

SYNC_TIMEOUT = 120.0
_SAY_EVERY = 10.0


class NotSynced(Exception):
    """A cache could not be filled; the message names each resource and why: no CRD, no permission."""


class ControllerProcess:
    """See the module. `run()` is a whole life; make another one for another.

    Give the controllers `leader.fenced(client)`, so that nothing is written by one who no longer leads.

    Args:
        leader: None to act without asking, where there is one process at most.
        beside: more that runs as long as the process does, leading or not, as an EventRecorder's `run`.
        sync_timeout: seconds to fill the caches in.
    """

    def __init__(
        self,
        informers: Informers,
        controllers: Sequence[ObjectController],
        *,
        log: Any,
        leader: Leader | None = None,
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
        sync_timeout: float = SYNC_TIMEOUT,
    ) -> None:
        self._informers = informers
        self._controllers = controllers
        self._leader = leader
        self._log = log
        self._beside = beside
        self._sync_timeout = sync_timeout

    def unready(self) -> list[str]:
        """Returns what keeps the process from being ready, one line each: caches that are not filled."""
        return [
            informer.trouble or f"{informer.resource}: not listed yet"
            for informer in self._informers.all()
            if not informer.synced
        ]

    def behind(self) -> list[str]:
        """Returns which caches may be behind, and why; for people. It is no reason to restart anything."""
        return [informer.trouble for informer in self._informers.all() if informer.trouble]

    async def run(self) -> None:
        """Lives until it is cancelled.

        Raises:
            NotSynced: the caches could not be filled in time.
            LeadershipLost: the process should end; whatever it runs under starts it again.
        """
        always = [informer.run() for informer in self._informers.all()]
        tasks = [asyncio.create_task(_awaited(work)) for work in (*always, *(run() for run in self._beside))]
        acting = asyncio.create_task(self._act())
        try:
            done, _ = await asyncio.wait({acting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            # First who writes, then what they read.
            for task in (acting, *tasks):
                task.cancel()
                await asyncio.wait({task})

    async def _act(self) -> None:
        await self._wait_synced()
        if self._leader is None:
            await self._control()
        else:
            await self._leader.run(self._control)

    async def _wait_synced(self) -> None:
        talking = asyncio.create_task(self._say_what_is_missing())
        try:
            async with asyncio.timeout(self._sync_timeout):
                for informer in self._informers.all():
                    await informer.wait_synced()
        except TimeoutError:
            raise NotSynced("; ".join(self.unready())) from None
        finally:
            talking.cancel()
        self._log.info("controllers.synced", resources=[str(each.resource) for each in self._informers.all()])

    async def _say_what_is_missing(self) -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY)
            self._log.warning("controllers.unsynced", missing=self.unready())

    async def _control(self) -> None:
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run(), name=f"controller-{controller.name}")


async def _awaited(work: Awaitable[None] | Coroutine[Any, Any, None]) -> None:
    await work
