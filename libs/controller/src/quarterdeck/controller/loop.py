"""The reconcile loop: workers that take keys from a queue and bring the world in line with them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import QueueClosed, WorkQueue

K = TypeVar("K", bound=Hashable)

RECONCILE_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended well. `again_after`: look at the key again after so many seconds."""

    again_after: float | None = None


DONE = Result()

Reconcile = Callable[[K], Awaitable[Result]]

_RESULTS = ("success", "requeue_after", "error")


class Controller(Generic[K]):
    """Runs `reconcile(key)` for every key of a queue.

    `reconcile` reads the present state, acts, and returns a `Result`. It must be safe to
    repeat. If it raises, or takes longer than `timeout` seconds, the key comes back after
    its back-off; one key's failures never hold up another's turn.

    Args:
        name: for metrics and logs.
        workers: how many keys are reconciled at a time; never the same one twice.
        log: a structlog logger.
    """

    def __init__(
        self,
        name: str,
        queue: WorkQueue[K],
        reconcile: Reconcile[K],
        *,
        metrics: ControllerMetrics,
        log: Any,
        workers: int = 2,
        timeout: float = RECONCILE_TIMEOUT,
    ) -> None:
        self.name = name
        self.queue = queue
        self._reconcile = reconcile
        # Looked up once: each look takes longer than what it counts.
        self._active, self._errors = metrics.active.labels(name), metrics.errors.labels(name)
        self._seconds = metrics.reconcile_seconds.labels(name)
        self._results = {result: metrics.reconciles.labels(name, result) for result in _RESULTS}
        self._log = log
        self._workers = workers
        self._timeout = timeout
        metrics.workers.labels(name).set(workers)

    async def run(self) -> None:
        """Works until the queue is closed, or this is cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name}-{number}")

    async def _work(self) -> None:
        with contextlib.suppress(QueueClosed):
            while True:
                key = await self.queue.get()
                try:
                    await self._one(key)
                finally:
                    self.queue.done(key)

    async def _one(self, key: K) -> None:
        self._active.inc()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._reconcile(key)
        except Exception as error:
            delay = self.queue.add_failed(key)
            self._results["error"].inc()
            self._errors.inc()
            self._log.warning(
                "reconcile.failed", controller=self.name, key=str(key), again_in=delay, error=_text(error)
            )
        else:
            self._succeeded(key, result)
        finally:
            self._active.dec()
            self._seconds.observe(time.perf_counter() - started)

    def _succeeded(self, key: K, result: Result) -> None:
        self.queue.forget(key)
        if result.again_after is None:
            self._results["success"].inc()
            return
        self.queue.add_after(key, result.again_after)
        self._results["requeue_after"].inc()


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
