"""What a simulated event loop runs: callbacks, each of which belongs to a process."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any


class Handle(asyncio.TimerHandle):
    """A callback that waits for its turn."""

    __slots__ = ("args", "callback", "context", "is_cancelled", "process", "time")

    def __init__(
        self,
        process: Process,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context,
        when: float,
    ) -> None:
        self.process, self.callback, self.args = process, callback, args
        self.context, self.time, self.is_cancelled = context, when, False

    def cancel(self) -> None:
        """Forgets the callback. See `asyncio.Handle.cancel`."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """See `asyncio.Handle.cancelled`."""
        return self.is_cancelled

    def when(self) -> float:
        """See `asyncio.TimerHandle.when`."""
        return self.time


class Process:
    """One simulated process. `skew`: seconds that its wall clock is ahead."""

    def __init__(self, name: str, *, is_worker: bool = False) -> None:
        self.name = name
        self.is_worker = is_worker
        self.ready: deque[Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.is_alive = True
        self.frozen_until = 0.0
        self.is_frozen = False
        self.skew = 0.0

    def waiting(self) -> list[asyncio.Task[Any]]:
        """Returns the tasks that have not ended."""
        return [task for task in self.tasks if not task.done()]
