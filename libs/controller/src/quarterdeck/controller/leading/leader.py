"""Holds a Lease while something runs, and sees to it that nothing runs without it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from quarterdeck.controller.api.resource import LEASES
from quarterdeck.controller.leading.election import (
    JITTER,
    Observed,
    Terms,
    claim,
    may_take,
    observe,
    release,
)
from quarterdeck.controller.metrics import LeaderMetrics
from quarterdeck.controller.objects import Object, ObjectKey


class LeadershipLost(Exception):
    """The lease could not be renewed in time, or somebody else took it. The process should end."""


class Leader:
    """See the module.

    Give `fenced(client)` to whatever acts as the leader: its writes fail from the moment the lease is no
    longer surely ours, even if this process slept through that moment.

    Args:
        client: best one of its own, so that no other traffic delays a renewal.
        lease: the name of the Lease; it is created if it is missing.
        identity: of this process, different from every other's, also from its own earlier life.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        lease: ObjectKey,
        identity: str,
        *,
        log: Any,
        terms: Terms | None = None,
        metrics: LeaderMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._lease = lease
        self._identity = identity
        self._log = log.bind(lease=str(lease), identity=identity)
        self._terms = terms or Terms()
        self._metrics = metrics
        self._clock = clock
        self._observed: Observed | None = None
        self._held: Object | None = None
        self._until = float("-inf")
        self._show(leading=False)

    @property
    def leading(self) -> bool:
        """True while the lease is surely ours."""
        return self._clock() < self._until

    @property
    def holder(self) -> str:
        """Who held the lease when it was last read; empty for nobody, or if it was never read."""
        return self._observed.holder if self._observed is not None else ""

    def check(self) -> None:
        """Raises LeadershipLost unless the lease is surely ours."""
        if not self.leading:
            raise LeadershipLost(f"{self._identity} does not hold the lease {self._lease}")

    def fenced(self, client: Client) -> Client:
        """Returns a client whose writes are sent only while the lease is surely ours."""
        return client.fenced(self.check)

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits until this process leads, then runs `lead()` for as long as it does.

        Ends when `lead()` does. When this is cancelled, so is `lead()`, and then the lease is given back.

        Raises:
            LeadershipLost: `lead()` was cancelled because the lease was lost. There is no second try: what
                this process remembers may be wrong by now, so let it end and another one begin.
        """
        await self._acquire()
        self._show(leading=True)
        try:
            await self._lead(lead)
        finally:
            self._show(leading=False)

    async def _acquire(self) -> None:
        while not await self._attempt():  # noqa: ASYNC110 - another process gives it back, and sets no event
            await asyncio.sleep(self._pause())
        self._log.info("leader.elected")

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._renew(), name="renew-lease")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
                return
            self._log.error("leader.lost")
            raise LeadershipLost(f"{self._identity} could not renew the lease {self._lease} in time")
        finally:
            await self._end(working, renewing)

    async def _end(self, working: asyncio.Future[None], renewing: asyncio.Task[None]) -> None:
        working.cancel()
        # Whoever does not end by the time others may lead is stopped by the fence, and by the process's end.
        patience = max(0.0, self._until - self._clock()) + self._terms.lease - self._terms.renew
        await asyncio.wait({working}, timeout=patience)
        renewing.cancel()
        await asyncio.wait({renewing})
        if working.done() and self.leading:
            await self._release()
        self._until = float("-inf")

    async def _renew(self) -> None:
        """Renews until that fails for too long."""
        while True:
            left = self._until - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(min(self._pause(), left))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._until - self._clock())):
                    await self._attempt()
            if self.holder not in {"", self._identity}:
                # Somebody else has it: there is nothing to wait for.
                self._until = float("-inf")

    async def _attempt(self) -> bool:
        """Tries once to take or renew the lease; the deadline counts from before the request."""
        asked = self._clock()
        try:
            self._held = await self._take(asked)
        except ApiError as error:
            self._log.warning("leader.unanswered", error=str(error))
            return False
        if self._held is None:
            return False
        self._observed = observe(self._held, self._observed, asked)
        self._until = asked + self._terms.renew
        return True

    async def _take(self, now: float) -> Object | None:
        patience = self._terms.renew / 2
        try:
            async with asyncio.timeout(patience):
                return await self._write(now)
        except (Conflict, AlreadyExists, NotFound) as error:
            # Somebody was quicker, or deleted it, or our own last write arrived after we gave it up.
            if self._held is not None:
                return await self._reread(now)
            if isinstance(error, NotFound):
                raise
            return None
        except TimeoutError:
            raise ApiError(f"the lease was not answered within {patience:g} s") from None

    async def _write(self, now: float) -> Object | None:
        lease = self._held
        if lease is None:
            try:
                lease = await self._client.get(LEASES, self._lease.name, self._lease.namespace)
            except NotFound:
                return await self._client.create(LEASES, self._new())
            self._observed = observe(lease, self._observed, now)
            if not may_take(self._observed, self._identity, now):
                return None
        spec = claim(lease.get("spec") or {}, self._identity, self._terms, _wall())
        return await self._client.replace(LEASES, lease | {"spec": spec})

    async def _reread(self, now: float) -> Object | None:
        self._held = None
        return await self._write(now)

    async def _release(self) -> None:
        if self._held is None:
            return
        spec = release(self._held.get("spec") or {}, _wall())
        try:
            async with asyncio.timeout(self._terms.retry):
                await self._client.replace(LEASES, self._held | {"spec": spec})
            self._log.info("leader.released")
        except (ApiError, TimeoutError) as error:
            # The others wait until it expires, and no harm is done.
            self._log.warning("leader.not_released", error=str(error))

    def _new(self) -> Object:
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._lease.name, "namespace": self._lease.namespace},
            "spec": claim({}, self._identity, self._terms, _wall()),
        }

    def _pause(self) -> float:
        return self._terms.retry * (1 + JITTER * random.random())

    def _show(self, *, leading: bool) -> None:
        if self._metrics is not None:
            self._metrics.leading.labels(str(self._lease)).set(1 if leading else 0)


def _wall() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
