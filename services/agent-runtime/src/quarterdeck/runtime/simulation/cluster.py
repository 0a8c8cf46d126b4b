"""The workers of one seed, what strikes them, and how clients reach them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.simulation import adversary as adv
from quarterdeck.runtime.simulation.await_points import chain_of, points_of
from quarterdeck.runtime.simulation.hosts import Host, Surroundings
from quarterdeck.runtime.simulation.processes import Handle, Process

# Seconds after which a client gives up on an answer.
PATIENCE = 6.0
# Seconds that a clock may be wrong, either way: a little, and more than a lease.
SKEWS = (0.2, 2.0, 30.0)


class Cluster:
    """Starts workers, strikes them, and starts others in their place.

    Args:
        trace: told of everything that happens to a worker, in words.
    """

    def __init__(self, around: Surroundings, size: int, trace: Callable[[str], None]) -> None:
        self.hosts: list[Host] = []
        self.graveyard: list[asyncio.Task[Any]] = []
        self._around = around
        self._trace = trace
        self._count = 0
        self._struck: tuple[str, Process] | None = None
        around.adversary.strike = self._mark
        around.loop.on_alarm = self._strike_marked
        around.loop.on_step = self._look
        for _ in range(size):
            self._start()

    # -- life and death ------------------------------------------------------------------------------

    def _start(self) -> None:
        chance, adversary = self._around.chance, self._around.adversary
        self._count += 1
        skewed = adv.JUMP in adversary.plan.host_faults and adversary.plan.hosts
        skew = _skew(chance) if skewed and not adversary.is_quiet else 0.0
        host = Host(self._around, f"worker-{self._count}", concurrency=chance.choice((3, 8, 64)), skew=skew)
        self.hosts.append(host)
        host.begin(self._run(host), "main")

    async def _run(self, host: Host) -> None:
        """The process's main function: it exits when it cannot start, as a service does."""
        try:
            await host.worker.start()
            host.begin(host.triggers.run(), "triggers")
        except Exception as error:
            self._trace(f"{host.process.name} could not start: {error}")
            self._around.loop.world_later(0.0, self._end, host, 1.0)

    def _end(self, host: Host, pause: float) -> None:
        if not host.process.is_alive:
            return
        self._around.loop.kill(host.process)
        self.graveyard.extend(host.process.tasks)
        self.hosts.remove(host)
        self._around.loop.world_later(pause, self._start)

    # -- what strikes ----------------------------------------------------------------------------------

    def _mark(self, fault: str) -> None:
        """Has the process that runs now struck as soon as it waits."""
        loop = self._around.loop
        if self._struck is None and loop.current is not loop.world:
            self._struck = (fault, loop.current)
            loop.alarm_at = loop.steps

    def _strike_marked(self) -> None:
        assert self._struck is not None
        (fault, process), self._struck = self._struck, None
        host = next((host for host in self.hosts if host.process is process), None)
        if host is not None:
            self.strike(host, fault)

    def strike(self, host: Host, fault: str, seconds: float = 0.0) -> None:
        """Strikes a process, now. `seconds`: for how long it is frozen; 0: as chance will have it."""
        adversary, chance = self._around.adversary, self._around.adversary.chance
        if host.is_draining and fault == adv.DRAIN:
            return
        adversary.counts[fault] += 1
        adversary.coverage.strike(fault, points_of(host.process.waiting()))
        self._trace(f"{host.process.name}: {fault}")
        if fault == adv.CRASH:
            self._end(host, chance.choice((0.1, 1.0, 5.0)))
        elif fault == adv.STALL:
            self._around.loop.freeze(host.process, seconds or chance.choice((0.2, 2.0, 11.0, 16.0)))
        elif fault == adv.JUMP:
            host.process.skew = _skew(chance)
        else:
            host.is_draining = True
            host.begin(self._drain(host, chance.choice((0.0, 0.5, 5.0))), "drain")

    async def _drain(self, host: Host, grace: float) -> None:
        try:
            await host.worker.drain(grace)
        except Unavailable:
            self._trace(f"{host.process.name} could not say goodbye")
        self._around.loop.world_later(0.0, self._end, host, 0.5)

    def intended(self, process: Process) -> None:
        """An intent of a process is durable, and the call is next: freezes it there perhaps, for long."""
        adversary = self._around.adversary
        if adversary.freezes_before_call():
            host = next((host for host in self.hosts if host.process is process), None)
            if host is not None:
                self.strike(host, adv.STALL, 16.0)

    def strike_any(self) -> None:
        """Strikes some process with something."""
        adversary = self._around.adversary
        if not adversary.is_quiet and self.hosts:
            host = adversary.chance.choice(self.hosts)
            self.strike(host, adversary.chance.choice(adversary.plan.host_faults))

    def heal(self) -> None:
        """Nothing is wrong any more, but for what is on its way."""
        self._around.adversary.quiet()
        for host in self.hosts:
            host.process.skew = 0.0

    def _look(self, handle: Handle) -> None:
        """Looks where a task was suspended just now."""
        task: Any = getattr(handle.callback, "__self__", None)
        if not isinstance(task, asyncio.Task) or task.done() or handle.process is self._around.loop.world:
            return
        chain = chain_of(task)
        if chain and handle.process.is_worker:
            adversary = self._around.adversary
            adversary.coverage.reached[chain[-1]] += 1
            adversary.coverage.passed.update(chain)
            adversary.at_point(chain[-1], fleeting=_is_fleeting(task))

    # -- clients -----------------------------------------------------------------------------------------

    async def ask(self, what: Callable[[Host], Coroutine[Any, Any, Any]]) -> Any:
        """Has some worker do something for a client. Raises Unavailable when no answer comes."""
        loop, adversary = self._around.loop, self._around.adversary
        if not self.hosts:
            raise Unavailable("no worker is there")
        host, fate = adversary.chance.choice(self.hosts), adversary.call("client")
        answer, client = loop.create_future(), loop.current

        def reply(result: Any) -> None:
            if fate != adv.UNANSWERED:
                loop.world_later(adversary.delay(), loop.settle, client, answer, result)

        if fate != adv.UNREACHED:
            loop.world_later(adversary.delay(), self._deliver, host, what, reply)
        loop.world_later(PATIENCE, loop.settle, client, answer, Unavailable("no answer"))
        return await answer

    def _deliver(
        self, host: Host, what: Callable[[Host], Coroutine[Any, Any, Any]], reply: Callable[[Any], None]
    ) -> None:
        if host.process.is_alive and not host.is_draining:
            host.begin(host.serve(what, reply), "rpc")
        else:
            reply(Unavailable("nobody listens there"))


def _skew(chance: random.Random) -> float:
    return chance.choice(SKEWS) * chance.uniform(-1.0, 1.0)


def _is_fleeting(task: Any) -> bool:
    """True while a task waits for its next turn, or for tasks that it has cancelled."""
    waits_for = task._fut_waiter
    return waits_for is None or "Gathering" in type(waits_for).__name__
