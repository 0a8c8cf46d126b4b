"""Clients: they start runs until these are accepted, and signal, pause and cancel them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from quarterdeck.common import artifacts
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from quarterdeck.runtime.definition import lane_of
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.forking import Fork, Forker
from quarterdeck.runtime.operations.retrying import Retrier, Retry
from quarterdeck.runtime.operations.terminating import Terminator
from quarterdeck.runtime.simulation.hosts import Host, Surroundings
from quarterdeck.runtime.simulation.orders import Order
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.requests import Requests
from quarterdeck.runtime.simulation.seen import FORK
from quarterdeck.runtime.starting.accepting import Accepted, Start, accept_here, gate_of, request_hash
from quarterdeck.runtime.starting.newborn import run_row
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT

_LENGTH = "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = ?"
_STATE = "SELECT state, finished_at IS NOT NULL FROM runs WHERE run_id = ?"


class People:
    """Those who want runs. They see nothing but what they are answered."""

    def __init__(
        self, around: Surroundings, requests: Requests, closure: str, orders: list[Order], process: Process
    ) -> None:
        self.orders = orders
        self.process = process
        self._around = around
        self._requests = requests
        self._closure = closure

    def begin(self) -> None:
        """Sets everybody to work."""
        for order in self.orders:
            self._task(self._live(order))

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        loop = self._around.loop
        loop.on(self.process, lambda: loop.create_task(work))

    # -- one run -----------------------------------------------------------------------------------------

    async def _live(self, order: Order) -> None:
        await asyncio.sleep(order.at)
        await self._start(order)
        if order.run_id:
            self._signal_soon(order, order.run_id)
        if order.run_id and order.is_impatient:
            self._around.loop.create_task(self._end_if_frozen(order))
        if order.run_id and order.is_retried:
            self._around.loop.create_task(self._retry(order))
        if order.run_id and order.fork_after is not None:
            await asyncio.sleep(order.fork_after)
            await self._fork(order)
        if order.run_id and order.cancel_after is not None:
            await asyncio.sleep(order.cancel_after)
            await self._cancel(order)
        if order.run_id and order.pause_after is not None:
            await asyncio.sleep(order.pause_after)
            await self._pause(order)

    async def _start(self, order: Order) -> None:
        wish = Start(
            TENANT,
            order.scene.kind,
            order.scene.name,
            order.input,
            PRINCIPAL,
            idempotency_key=f"order-{order.number}",
            **order.more,
        )
        try:
            accepted: Accepted = await self._requests.insist(lambda host: self._start_here(host, wish))
            order.run_id = accepted.run_id
        except AlreadyExists:
            order.was_refused = True

    async def _start_here(self, host: Host, wish: Start) -> Accepted:
        engine = host.engine
        definition = await engine.definition(TENANT.id, self._closure, wish.kind, wish.name)
        value = await artifacts.externalise(engine.artifacts, TENANT.id, wish.input, INLINE_BYTES)
        revisions = await engine.revisions(TENANT.id, self._closure)
        row = run_row(
            run_id=self._around.new_id(),
            tenant_id=TENANT.id,
            tenant=TENANT.name,
            kind=wish.kind,
            name=wish.name,
            revision=revisions[f"{wish.kind}/{wish.name}"],
            closure=self._closure,
            value=value,
            budget=definition.budget,
            principal={"subject": PRINCIPAL.subject, "groups": []},
            labels=wish.labels,
            priority=wish.priority,
            now=engine.clock.now(),
            session=wish.session,
            run_key=wish.key,
            gate=gate_of(wish),
            idempotency_key=wish.idempotency_key,
            request_hash=request_hash(wish),
            **lane_of(definition),
        )
        return await accept_here(engine, host.worker.begin, wish, row)

    def _signal_soon(self, order: Order, run_id: str) -> None:
        self._around.loop.create_task(self._signal(order, run_id))

    async def _signal(self, order: Order, run_id: str) -> None:
        chance = random.Random(order.seed)
        if order.is_hasty:
            await asyncio.sleep(3.0 * chance.random())
            self._all_at_once(order, run_id, chance)
            return
        for number in range(order.scene.signals):
            await asyncio.sleep(3.0 * chance.random())
            await self._requests.do(run_id, deliveries.signal, "go", {"n": number}, f"signal-{number}")

    def _all_at_once(self, order: Order, run_id: str, chance: random.Random) -> None:
        """Whatever may arrive in a run's inbox arrives in any order, and signals arrive twice."""
        by = PRINCIPAL.subject
        sent: list[tuple[Any, ...]] = [
            (deliveries.signal, "go", {"n": number}, f"signal-{number}")
            for number in (*range(order.scene.signals), *range(order.scene.signals))
        ]
        sent += [(deliveries.pause, "wait", by), (deliveries.resume, {"by": by})]
        if chance.random() < 0.3:
            order.was_cancelled = True
            sent.append((deliveries.cancel, "not wanted", by))
        chance.shuffle(sent)
        for operation, *args in sent:
            self._around.loop.create_task(self._requests.do(run_id, operation, *args))

    async def _cancel(self, order: Order) -> None:
        order.was_cancelled = True
        if order.terminate:
            await self._requests.insist(
                lambda host: Terminator(host.engine).terminate(
                    TENANT, order.run_id, "not wanted", PRINCIPAL.subject
                )
            )
        else:
            await self._requests.do(order.run_id, deliveries.cancel, "not wanted", PRINCIPAL.subject)

    async def _end_if_frozen(self, order: Order) -> None:
        """Ends the run as soon as its holder moves no more; so the holder thaws when all is over."""
        while True:
            await asyncio.sleep(0.1)
            ((_, is_over),) = self._around.store.rows(_STATE, order.run_id) or [("", True)]
            if is_over or self._around.adversary.is_quiet:
                return
            if self._requests.is_with_frozen(order.run_id):
                order.terminate = True
                await self._cancel(order)
                return

    async def _retry(self, order: Order) -> None:
        """Has the run go on where it failed, once it has failed."""
        while True:
            await asyncio.sleep(1.0)
            ((state, is_over),) = self._around.store.rows(_STATE, order.run_id) or [("", True)]
            if is_over:
                break
        if state in ("", "succeeded"):
            return
        made = await self._retried(order)
        if made is not None:
            order.offspring.append(made.run_id)
            self._signal_soon(order, made.run_id)

    async def _retried(self, order: Order) -> Retry | None:
        """Retries the run; None when it was undone, or another run has its key by now."""
        while True:
            try:
                made: Retry = await self._requests.insist(
                    lambda host: Retrier(host.engine).retry(
                        TENANT, order.run_id, PRINCIPAL.subject, "", dry_run=False
                    )
                )
                return made
            except FailedPrecondition as error:
                if error.reason != "CallUnderWay":
                    return None
                await asyncio.sleep(1.0)

    async def _fork(self, order: Order) -> None:
        """Forks the run at some point of what its journal has by now."""
        ((length,),) = self._around.store.rows(_LENGTH, order.run_id)
        before = random.Random(order.seed).randint(2, max(2, length + 1))
        try:
            made: Fork = await self._requests.insist(
                lambda host: Forker(host.engine).fork(
                    TENANT, order.run_id, before, f"{FORK}{order.number}", dry_run=False
                )
            )
        except (FailedPrecondition, InvalidArgument):
            return  # something is at work at that point, or there is no such point
        order.offspring.append(made.run_id)
        self._signal_soon(order, made.run_id)

    async def _pause(self, order: Order) -> None:
        await self._requests.do(order.run_id, deliveries.pause, "wait", PRINCIPAL.subject)
        await asyncio.sleep(4.0 * random.Random(order.seed).random())
        await self._requests.do(order.run_id, deliveries.resume, {"by": PRINCIPAL.subject})
