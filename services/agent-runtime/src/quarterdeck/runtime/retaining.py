"""How long things are kept: archives ended runs, deletes archived ones, collects artifacts.

A tenant says in its spec how long; what it does not say, the service's settings do. Pinned definitions stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import NotFound
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime.config import RuntimeSettings
from quarterdeck.runtime.store import functions, mentions, retention
from quarterdeck.runtime.store.mentions import digests_in

log = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class Rule:
    """Seconds after its end that a run is archived, then deleted; 0: never.

    `artifact_grace` are the seconds that an artifact is left alone, though nothing names it; 0: for ever.
    """

    archive_after: float
    delete_after: float
    artifact_grace: float


@dataclass(slots=True)
class Tally:
    """What a sweep did."""

    runs: int = 0
    events: int = 0
    deleted_runs: int = 0
    artifacts: int = 0


def rule_of(spec: Mapping[str, Any], settings: RuntimeSettings) -> Rule:
    """Returns the rule of a tenant, from its spec and the service's settings."""
    said = spec.get("retention") or {}
    archive, remove = said.get("archiveAfter"), said.get("deleteAfter")
    return Rule(
        duration_seconds(archive) if archive else settings.archive_after,
        duration_seconds(remove) if remove else settings.delete_after,
        settings.artifact_grace,
    )


class Retention:
    """Sweeps, every `period` seconds and when it is asked to.

    Args:
        rule: tenant's name to its rule.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        clock: Clock,
        rule: Callable[[str], Rule],
        period: float,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._clock = clock
        self._rule = rule
        self._period = period
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to sweep, a period from now."""
        self._task = asyncio.create_task(self._loop(), name="retention")

    async def stop(self) -> None:
        """Stops; the transaction under way ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _loop(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._sweep_all()
            except Exception as error:  # the next sweep looks at the same again
                log.error("retention.failed", reason=str(error))

    async def _sweep_all(self) -> None:
        await self._database.write(functions.keep_partitions)
        last = ""
        while (tenant := await self._database.read(retention.tenant_after, last)) is not None:
            last, name = tenant
            tally = await self.sweep(last, self._rule(name))
            if tally != Tally():
                log.info("retention.swept", tenant=name, runs=tally.runs, artifacts=tally.artifacts)
        if dropped := await self._database.write(functions.drop_partitions):
            log.info("retention.partitions_dropped", partitions=dropped)

    def rule(self, tenant: str) -> Rule:
        """Returns a tenant's rule."""
        return self._rule(tenant)

    async def would(self, tenant_id: str, rule: Rule) -> Tally:
        """Returns what a sweep would archive now."""
        if not rule.archive_after:
            return Tally()
        before = self._clock.now() - rule.archive_after
        found = await self._database.read(retention.count_archivable, tenant_id, before)
        return Tally(runs=found.runs, events=found.events)

    async def sweep(self, tenant_id: str, rule: Rule) -> Tally:
        """Does everything that is due for a tenant; a page a transaction, so that runs get on in between."""
        tally = Tally()
        more = rule.archive_after > 0
        while more:
            now = self._clock.now()
            before = now - rule.archive_after
            done = await self._database.write(retention.archive_some, tenant_id, before, now)
            tally.runs, tally.events, more = tally.runs + done.runs, tally.events + done.events, done.more
        more = rule.delete_after > 0
        while more:
            before = self._clock.now() - rule.delete_after
            done = await self._database.write(retention.delete_some, tenant_id, before)
            tally.deleted_runs, more = tally.deleted_runs + done.runs, done.more
        if rule.artifact_grace > 0:
            tally.artifacts = await self._collect(tenant_id, self._clock.now() - rule.artifact_grace)
        return tally

    async def _collect(self, tenant_id: str, moment: float) -> int:
        """Removes the artifacts that nothing names and nobody has put since `moment`."""
        idle = set(await self._artifacts.older_than(tenant_id, moment))
        kept = await self._named(tenant_id, idle)
        unnamed = sorted(idle - kept)
        return sum([await self._artifacts.collect(tenant_id, digest, moment) for digest in unnamed])

    async def _named(self, tenant_id: str, candidates: set[str]) -> set[str]:
        """Returns the candidates that runs name, and those that these name in turn."""
        named: set[str] = set()
        for place in mentions.PLACES:
            after: tuple[Any, ...] = ()
            while not candidates <= named:
                found, after = await self._database.read(mentions.search, tenant_id, place, after)
                named |= found
                if not after:
                    break
        return await self._with_inner(tenant_id, candidates, named) & candidates

    async def _with_inner(self, tenant_id: str, candidates: set[str], named: set[str]) -> set[str]:
        """Adds what named artifacts name; they are read only while there is a candidate left to save."""
        waiting, seen = list(named), set(named)
        while waiting and not candidates <= seen:
            try:
                data = await self._artifacts.get(tenant_id, waiting.pop())
            except NotFound:
                continue
            fresh = digests_in(data) - seen
            waiting += fresh
            seen |= fresh
        return seen
