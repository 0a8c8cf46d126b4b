"""An event loop without an operating system: virtual time, and processes that can die or freeze.

Every callback belongs to a `Process`. A dead process is never stepped again and whatever its code tries
afterwards (in `finally` blocks, say) has no effect; a frozen one goes on later, none the wiser. Processes
share nothing but what the simulated services give them, so one is run until it has nothing to do, then
another one, in an order that the seed chooses.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple, Unpack

from quarterdeck.runtime.simulation.processes import Handle, Process

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Callbacks of one process in a row, without time passing: more than that is a loop that never ends.
MOST_STEPS = 400_000


class Runaway(Exception):
    """Callbacks followed each other without end."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs processes in virtual time. Deterministic: the same seed gives the same order.

    Args:
        scramble: of a process's callbacks any may be next, not the oldest; harder than asyncio is.
    """

    def __init__(self, chance: random.Random, *, scramble: bool = False) -> None:
        self.world = Process("world")
        self.current = self.world
        self.processes = [self.world]
        self.steps = 0
        self.alarm_at: float = float("inf")
        self.on_alarm: Callable[[], None] = lambda: None
        self.on_step: Callable[[Handle], None] | None = None
        self.problems: list[str] = []
        self._chance = chance
        self._scramble = scramble
        self._now = 0.0
        self._contexts: dict[asyncio.Task[Any], contextvars.Context] = {}
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._stopped = False
        self._is_over = False

    # -- what asyncio needs ------------------------------------------------------------------------

    def time(self) -> float:
        """Returns the virtual time in seconds."""
        return self._now

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def is_running(self) -> bool:
        """See asyncio."""
        return not self._is_over

    def is_closed(self) -> bool:
        """See asyncio."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        """Starts a task of the process that runs now."""
        context = _own(context)
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self.current.tasks.append(task)
        self._contexts[task] = context
        return task

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        """Has the present process call something as soon as it can."""
        process = self.current
        handle = Handle(process, callback, args, _own(context), self._now)
        if process.is_alive and not self._is_over:
            process.ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        """See `call_soon`; there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        """See asyncio."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        """See asyncio."""
        handle = Handle(self.current, callback, args, _own(context), when)
        if self.current.is_alive and not self._is_over:
            self._push(handle)
        return handle

    def _push(self, handle: Handle) -> None:
        self._count += 1
        heapq.heappush(self._timers, (handle.time, self._count, handle))

    def run_in_executor(
        self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Calls `func` at once: threads would bring chance of their own."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keeps what nobody caught, for the invariants."""
        if not self._is_over:
            self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    # -- processes -----------------------------------------------------------------------------------

    def new_process(self, name: str, *, is_worker: bool = False) -> Process:
        """Adds a process."""
        process = Process(name, is_worker=is_worker)
        self.processes.append(process)
        return process

    def on(self, process: Process, callback: Callable[..., Any], *args: Any) -> Any:
        """Calls something as `process`; nothing happens when it is dead."""
        if not process.is_alive:
            return None
        before, self.current = self.current, process
        try:
            return callback(*args)
        finally:
            self.current = before

    def world_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        """Calls something that no process owns, such as a server's work, after `delay` seconds."""
        self._push(Handle(self.world, callback, args, contextvars.Context(), self._now + delay))

    def settle(self, process: Process, future: asyncio.Future[Any], result: Any) -> None:
        """Gives a process the answer to a question of its; exceptions are raised there."""
        if process.is_alive and not future.done():
            give = future.set_exception if isinstance(result, BaseException) else future.set_result
            self.on(process, give, result)

    def kill(self, process: Process) -> None:
        """Ends a process as `kill -9` does."""
        process.is_alive = False
        process.ready.clear()
        self.processes.remove(process)

    def freeze(self, process: Process, seconds: float) -> None:
        """Stops a process as SIGSTOP does, and lets it go on later."""
        process.is_frozen = True
        process.frozen_until = max(process.frozen_until, self._now + seconds)
        self.world_later(seconds, self._thaw, process)

    def _thaw(self, process: Process) -> None:
        if self._now >= process.frozen_until - 1e-9:
            process.is_frozen = False

    # -- running ---------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Makes `run` return."""
        self._stopped = True

    def run(self) -> None:
        """Runs until `stop`, or until nothing will ever happen any more."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._stopped = False
        try:
            while not self._stopped and self._turn():
                pass
        finally:
            events._set_running_loop(before)

    def _turn(self) -> bool:
        runnable = [p for p in self.processes if p.ready and not p.is_frozen]
        if not runnable:
            return self._advance()
        one = runnable[0] if len(runnable) == 1 else runnable[int(self._chance.random() * len(runnable))]
        self._drain(one)
        return True

    def _advance(self) -> bool:
        """Moves to the next moment at which something is due; what is due then becomes ready."""
        timers = self._timers
        while timers and (timers[0][2].is_cancelled or not timers[0][2].process.is_alive):
            heapq.heappop(timers)
        if not timers:
            return False
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if handle.process.is_alive and not handle.is_cancelled:
                handle.process.ready.append(handle)
        return True

    def _drain(self, process: Process) -> None:
        ready, began = process.ready, self.steps
        self.current = process
        while ready and not process.is_frozen and not self._stopped:
            handle = ready.popleft() if not self._scramble else self._any(ready)
            if handle.is_cancelled:
                continue
            self.steps += 1
            self._step(handle)
            if self.on_step is not None:
                self.on_step(handle)
            if self.steps >= self.alarm_at:
                self.alarm_at = float("inf")
                self.on(self.world, self.on_alarm)
            if self.steps - began > MOST_STEPS:
                raise Runaway(f"process {process.name} never comes to rest")
        self.current = self.world

    def _any(self, ready: deque[Handle]) -> Handle:
        index = int(self._chance.random() * len(ready))
        handle = ready[index]
        del ready[index]
        return handle

    def _step(self, handle: Handle) -> None:
        try:
            handle.context.run(handle.callback, *handle.args)
        except Exception as error:
            self.call_exception_handler({"message": f"callback of {handle.process.name}", "exception": error})

    # -- the end ---------------------------------------------------------------------------------------

    def bury(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Closes coroutines that will never go on; what they do on their way out reaches nobody."""
        self._is_over = True
        for process in self.processes:
            process.is_alive = False
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for task in tasks:
                if not task.done():
                    self._contexts[task].run(_close, task)
        finally:
            events._set_running_loop(before)


def _own(context: contextvars.Context | None) -> contextvars.Context:
    return contextvars.copy_context() if context is None else context  # an empty one is false, and meant


def _close(task: asyncio.Task[Any]) -> None:
    vars_of: Any = task
    vars_of._log_destroy_pending = False
    coroutine: Any = task.get_coro()
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:  # it awaits while it is closed: once more, from there
            continue
        except Exception:
            continue
        return
