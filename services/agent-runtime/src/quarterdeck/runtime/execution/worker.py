"""A worker: claims ready runs, gives each an executor, renews its lease, fires due timers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from quarterdeck.common.bus import Bus, Message
from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.runtime.claims.claimer import Claimer, Haul
from quarterdeck.runtime.constants import (
    HEARTBEAT_PERIOD,
    KEPT_FOR_CLAIMS,
    SUSPECT_LOOK,
    SWEEP_PERIOD,
    TOPIC_POKE,
    TOPIC_READY,
)
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.executor import Executor
from quarterdeck.runtime.execution.failing import fail_run
from quarterdeck.runtime.execution.leasing import Lease
from quarterdeck.runtime.execution.loading import Fenced, load
from quarterdeck.runtime.execution.timers import TimerLoop
from quarterdeck.runtime.execution.waking import WakeUps
from quarterdeck.runtime.planner.limits import CannotGoOn
from quarterdeck.runtime.reducer import UnknownEvent
from quarterdeck.runtime.starting.accepting import Accepted, Start
from quarterdeck.runtime.starting.beginning import Birth, Unborn
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.tracing import within

log = structlog.get_logger("worker")

RETRY_DELAY = 0.5


class Worker:
    """Advances runs in this process.

    Args:
        concurrency: runs that it advances at once; parked ones do not count.
        alone: no other worker can exist (a database in a locked directory), so runs that a
            former process held are taken over at once.
    """

    def __init__(self, engine: Engine, bus: Bus, *, concurrency: int, alone: bool) -> None:
        self._engine = engine
        self._bus = bus
        self._concurrency = concurrency
        self._room_of_births = concurrency - concurrency // KEPT_FOR_CLAIMS
        self._alone = alone
        self._executors: dict[str, Executor] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._early_pokes: set[str] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._draining = False
        # A suspect that this worker holds, and holds alone; see `store.suspicion`.
        self._suspect: queue.Claim | None = None
        # Other suspects wait for somebody to be idle: nothing new begins here.
        self._makes_room = False
        self._claimer = Claimer(engine)
        # Cleared while an idle worker claims: what is born meanwhile would keep a suspect from being alone.
        self._may_begin = asyncio.Event()
        self._may_begin.set()
        self._timers = TimerLoop(engine)
        self._lease = Lease(engine)
        self._wake_ups = WakeUps(bus)

    async def start(self) -> None:
        """Begins to claim."""
        await self._lease.begin(alone=self._alone)
        for loop in (self._claim_loop, self._heartbeat_loop, self._timers.run):
            self._loops.append(asyncio.create_task(loop(), name=f"worker-{loop.__name__}"))
        # A bus that is away is waited for; meanwhile sweeps find what there is to do.
        await self._bus.subscribe(TOPIC_READY, self._on_ready)
        await self._bus.subscribe(f"{TOPIC_POKE}.{self._engine.worker}", self._on_poke)

    async def wake(self, ready: list[str], poke: dict[str, str]) -> None:
        """Tells whom it concerns, over the bus. Losing a message costs a sweep, never a run.

        Raises nothing for a bus that takes no messages: what this is about is already durable.
        """
        for run_id, worker in poke.items():
            message = Message(f"{TOPIC_POKE}.{worker}", "", {"run": run_id})
            if not await self._wake_ups.publish(message) and worker == self._engine.worker:
                await self._on_poke(message)
        if ready and not await self._wake_ups.publish(Message(TOPIC_READY, "", {})):
            self._look_again()

    async def _on_ready(self, _message: Message) -> None:
        self._look_again()

    def _look_again(self) -> None:
        self._claimer.hear()
        self._wake.set()

    async def _on_poke(self, message: Message) -> None:
        run_id = message.data["run"]
        executor = self._executors.get(run_id)
        if executor is not None:
            executor.poke()
        elif run_id in self._runs:  # claimed, and still being read
            self._early_pokes.add(run_id)

    # -- claiming --------------------------------------------------------------------------------

    async def _claim_loop(self) -> None:
        while True:
            try:
                delay = await self._claim_all()
            except Exception as error:  # whatever it was: a worker that claims no more is worse
                log.error("worker.claim_failed", reason=str(error))
                self._lease.doubt()
                delay = SWEEP_PERIOD
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            self._wake.clear()

    async def _claim_all(self) -> float:
        """Claims what there is room for. Returns the seconds until there is more, a sweep's at most."""
        await self._claimer.tend()
        while not self._draining and (room := self._concurrency - len(self._runs)) > 0:
            if await self._is_taken_up():
                return SUSPECT_LOOK
            haul = await self._claim(room)
            self._begin(haul)
            if haul.delay:
                return haul.delay
        return SWEEP_PERIOD

    async def _claim(self, room: int) -> Haul:
        idle = not self._runs
        if idle:
            self._may_begin.clear()
        try:
            haul = await self._claimer.claim(room, idle=idle)
            self._makes_room = haul.makes_room
            return haul
        finally:
            self._may_begin.set()

    async def _is_taken_up(self) -> bool:
        """Returns whether this worker holds a suspect that has not got on yet."""
        suspect = self._suspect
        if suspect is not None:
            held = suspect.run_id in self._runs
            read = self._engine.database.read
            if not held or not await read(queue.is_suspect, suspect.run_id, suspect.epoch):
                self._suspect = None
        return self._suspect is not None

    def _begin(self, haul: Haul) -> None:
        for run_id in haul.poisoned:
            self._engine.instruments.quarantined.inc()
            log.error("run.quarantined", run_id=run_id)
        for claim in haul.claims:
            if claim.alone:
                log.warning("run.claimed_alone", run_id=claim.run_id, attempts=claim.attempts)
                self._suspect = claim
            self._claimer.begins(claim.tenant_id, claim.lane)
            self._runs[claim.run_id] = asyncio.create_task(self._advance(claim), name=claim.run_id)
        self._engine.instruments.held.set(len(self._runs))

    async def begin(self, wish: Start, row: dict[str, Any]) -> Accepted | None:
        """Accepts a run and begins it in the same commit. While there is room, none waits before it.

        Returns None, and has done nothing, when it cannot: the run is then for the queue.
        """
        await self._may_begin.wait()
        at_work = self._loops and not self._loops[0].done() and not self._draining
        has_room = len(self._runs) < self._room_of_births and not self._makes_room
        if not at_work or self._suspect is not None or not has_room:
            return None
        if not self._claimer.may_begin(row["tenant_id"], row.get("lane_limit", 0)):
            return None
        birth = Birth(self._engine.database, wish, row)
        self._claimer.begins(birth.claim.tenant_id, birth.claim.lane)
        self._runs[row["run_id"]] = asyncio.create_task(self._advance(birth.claim, birth), name=row["run_id"])
        self._engine.instruments.held.set(len(self._runs))
        return await asyncio.shield(birth.accepted)

    async def _advance(self, claim: queue.Claim, birth: Birth | None = None) -> None:
        let_go = False
        try:
            let_go = await self._advance_guarded(claim, birth)
        finally:
            if birth is not None:
                birth.abandon()
            if not let_go:
                self._claimer.hear()
            waited_for = self._claimer.ended(claim.tenant_id, claim.lane)
            if waited_for or not let_go or len(self._runs) >= self._concurrency:
                self._wake.set()
            self._executors.pop(claim.run_id, None)
            self._early_pokes.discard(claim.run_id)
            self._runs.pop(claim.run_id, None)
            self._engine.instruments.held.set(len(self._runs))

    async def _advance_guarded(self, claim: queue.Claim, birth: Birth | None) -> bool:
        """Works on a run and decides what becomes of it when that fails.

        Returns False when the run is to be claimed again.
        """
        database, now = self._engine.database, self._engine.clock.now
        try:
            return await self._work_on(claim, birth)
        except Fenced:
            log.warning("run.fenced", run_id=claim.run_id)
        except asyncio.CancelledError:
            raise
        except Unavailable as error:  # the disk or the database: no fault of the run's
            log.error("run.held_up", run_id=claim.run_id, reason=str(error))
            self._lease.doubt()
            with contextlib.suppress(QuarterdeckError):
                await database.write(queue.hand_back, claim.run_id, claim.epoch, now(), RETRY_DELAY)
            return False
        except UnknownEvent as error:
            log.error("run.of_a_newer_release", run_id=claim.run_id, reason=str(error))
            reason = f"waits for a worker of a newer release: {error}"
            with contextlib.suppress(QuarterdeckError):
                await database.write(queue.leave_to_newer, claim, reason, now())
            return False
        except Exception:
            log.exception("run.failed_to_advance", run_id=claim.run_id, attempts=claim.attempts)
            self._lease.doubt()
            with contextlib.suppress(QuarterdeckError):
                await database.write(queue.give_up, claim.run_id, claim.epoch, now(), RETRY_DELAY)
            return False
        return True

    async def _work_on(self, claim: queue.Claim, birth: Birth | None) -> bool:
        """Runs an executor; hands the run back, or fails it, when that is what came of it."""
        engine = self._engine
        try:
            let_go = await (self._execute(claim, None) if birth is None else self._bear(birth))
        except CannotGoOn as error:
            await fail_run(engine, claim, error.kind, str(error))
            return False
        if not let_go:
            await engine.database.write(queue.hand_back, claim.run_id, claim.epoch, engine.clock.now())
        return let_go

    async def _bear(self, birth: Birth) -> bool:
        """Runs the executor of a run that is about to be accepted."""
        try:
            return await self._execute(birth.claim, birth)
        except Unborn:
            self._lease.doubt()
            return True
        except Exception:
            if birth.decline():  # it could not even be planned: the queue's way tells why
                return True
            raise

    async def _execute(self, claim: queue.Claim, birth: Birth | None) -> bool:
        loaded = await load(self._engine, claim) if birth is None else birth.loaded()
        facts = loaded.facts
        definition = await self._engine.definition(facts.tenant_id, facts.closure, facts.kind, facts.name)
        executor = Executor(self._engine, claim, loaded, definition, birth.commit if birth else None)
        self._executors[claim.run_id] = executor
        if claim.run_id in self._early_pokes:
            executor.poke()
        if self._draining:
            executor.drain()
        with within(facts):
            return await executor.run()

    # -- the lease -------------------------------------------------------------------------------

    async def _heartbeat_loop(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_PERIOD)
            try:
                await self._renew()
            except Exception as error:
                log.error("worker.heartbeat_failed", reason=str(error))

    async def _renew(self) -> None:
        """Renews the lease, frees dead workers' runs, and gives back what nobody here works on."""
        renewed = await self._lease.renew(self._runs.keys())
        held = renewed.held
        if renewed.freed:
            self._look_again()
        for run_id in sorted(held.keys() & self._executors.keys()):  # a poke may have been lost
            self._executors[run_id].look(held[run_id])
        if strays := sorted(held.keys() - self._runs.keys()):
            now = self._engine.clock.now()
            await self._engine.database.write(queue.hand_back_strays, strays, self._engine.worker, now)
            self._look_again()

    # -- the end ---------------------------------------------------------------------------------

    async def drain(self, timeout: float) -> None:
        """Stops claiming, hands over what is idle at once and the rest when its effects have ended."""
        self._draining = True
        for executor in list(self._executors.values()):
            executor.drain()
        running = list(self._runs.values())
        if running:
            await asyncio.wait(running, timeout=timeout)
            late = [task for task in running if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._engine.database.write(queue.leave, self._engine.worker, self._engine.clock.now())
