"""Carries committed changes to the mirror, the reconciler and the watches, in order and each once.

Watches do not have queues. The feed keeps the newest changes in a ring; a watch remembers
the version it has seen and asks for what came after. One that is slower than the ring reads
from the table `changes`, one that is slower than that is told to list again. So a slow
client costs no memory, and there is no place where an event could be lost or doubled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from quarterdeck.common.database import Database, OutcomeUnknown
from quarterdeck.common.errors import FailedPrecondition, Unavailable
from quarterdeck.registry import history
from quarterdeck.registry.constants import REASON_TOO_OLD
from quarterdeck.registry.mirror import Mirror, deletion_of
from quarterdeck.registry.records import Change
from quarterdeck.registry.store import everything

P = ParamSpec("P")


class Changing(Protocol):
    """What a write returns that changed something."""

    @property
    def changes(self) -> list[Change]:
        """What it changed, oldest first."""


W = TypeVar("W", bound=Changing | None)

RING = 2048
# Changes read at a time by a watch that catches up.
BATCH = 256

Listener = Callable[[Change], None]


class Feed:
    """See the module.

    Args:
        listener: called with every change after the mirror has it; must not block.
    """

    def __init__(self, database: Database, mirror: Mirror, ring: int = RING) -> None:
        self.mirror = mirror
        self._database = database
        self._ring: deque[Change] = deque(maxlen=ring)
        self._early: dict[int, Change] = {}
        self._listeners: list[Listener] = []
        self._moved = asyncio.Event()
        self._writes: set[asyncio.Task[object]] = set()
        self._closed = False

    @property
    def version(self) -> int:
        """The newest version that was published."""
        return self.mirror.version

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with every change from now on."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Fills the mirror from the database."""
        version, changes = await self._database.read(everything)
        for change in changes:
            self.mirror.apply(change)
        self.mirror.version = version

    async def write(
        self, function: Callable[Concatenate[Connection, P], W], *args: P.args, **kw: P.kwargs
    ) -> W:
        """Runs a function of `store` and publishes what it changed before it returns.

        A caller that is cancelled stops waiting, but what it wrote is published all the same.
        """

        async def run() -> W:
            try:
                written = await self._database.write(function, *args, **kw)
            except OutcomeUnknown:
                await self._catch_up()
                raise
            if written is not None:
                self._publish(written.changes)
            if self._early:  # the one before may be on its way, or lost its answer
                await self._catch_up()
            return written

        task: asyncio.Task[W] = asyncio.create_task(run())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def after(self, version: int) -> list[Change]:
        """Returns the next changes after `version`, oldest first; none if there is none yet.

        Raises:
            FailedPrecondition: with reason ResourceVersionTooOld, if some of them are forgotten.
        """
        if version == self.version:
            return []
        if self._ring and self._ring[0].version <= version + 1 <= self.version:
            skipped = version + 1 - self._ring[0].version
            return list(islice(self._ring, skipped, skipped + BATCH))
        found = await self._database.read(history.after, version, BATCH)
        if found is None:
            raise FailedPrecondition(
                f"the changes after version {version} are not kept any more",
                field="resourceVersion",
                hint="list again, and watch from the version of that list",
                reason=REASON_TOO_OLD,
            )
        # What another write has committed but not yet published stays for the next turn.
        return [change for change in found if change.version <= self.version]

    async def moved(self, version: int, timeout: float) -> bool:
        """Waits until there is something after `version`; False after `timeout` seconds without.

        Raises:
            Unavailable: the registry stops.
        """
        while version >= self.version:
            if self._closed:
                raise Unavailable("the registry is stopping", hint="connect again")
            try:
                async with asyncio.timeout(timeout):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Ends every wait, and waits for the writes under way."""
        self._closed = True
        self._wake()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def follow(self, newest: int) -> None:
        """Publishes what other replicas have written, up to version `newest` at least."""
        while self.version < newest:
            found = await self._database.read(history.after, self.version, BATCH)
            if found:
                self._publish(found)
            else:
                await self._load_again()

    async def _catch_up(self) -> None:
        """Publishes what is there though nobody was told that it was written."""
        found = await self._database.read(history.after, self.version, BATCH)
        self._publish(found or [])

    async def _load_again(self) -> None:
        """Takes over what is there, where the changes that led to it are forgotten.

        Watches that have not seen those are told to list again by `after`.
        """
        version, changes = await self._database.read(everything)
        if version <= self.version:
            return
        present = {change.key for change in changes}
        gone = [entry for entry in self.mirror.entries() if entry.key not in present]
        self._ring.clear()
        for change in [*map(deletion_of, gone), *changes]:
            self.mirror.apply(change)
            for listener in self._listeners:
                listener(change)
        self.mirror.version = version
        self._wake()

    def _publish(self, changes: list[Change]) -> None:
        """Takes committed changes; one that comes before its predecessor waits for it."""
        for change in (change for change in changes if change.version > self.version):
            self._early[change.version] = change
        while self.version + 1 in self._early:
            change = self._early.pop(self.version + 1)
            self._ring.append(change)
            self.mirror.apply(change)
            for listener in self._listeners:
                listener(change)
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
