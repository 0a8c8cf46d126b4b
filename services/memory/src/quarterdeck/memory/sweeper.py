"""Housekeeping: expired items, and collections whose resource is gone."""

from __future__ import annotations

from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.memory import store
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.constants import DROP_GRACE, SWEEP_PAGE
from quarterdeck.memory.engine.conditions import IsAbsent, Neither
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.lifetime import expired
from quarterdeck.memory.store import Collection


class Sweeper:
    """Removes what nobody can see any more."""

    def __init__(self, catalog: Catalog, clock: Clock, telemetry: Telemetry) -> None:
        self._catalog = catalog
        self._clock = clock
        self._log = telemetry.log
        # Collections known to hold nothing that could ever expire, by their generation.
        self._nothing: dict[CollectionKey, int] = {}

    async def sweep(self) -> int:
        """Sweeps every collection and returns how many items were removed; one failure stops no other."""
        removed = 0
        for record in await self._catalog.database.read(store.live):
            try:
                removed += await self._sweep(record)
            except QuarterdeckError as error:
                self._log.warning("sweep.failed", collection=record.name, reason=error.message)
        await self._drop_deleted()
        return removed

    async def _sweep(self, record: Collection) -> int:
        """Removes expired items in pages."""
        key, ttl = CollectionKey(record.tenant_id, record.name), record.spec.ttl
        if self._nothing.get(key) == record.generation:
            return 0
        await self._catalog.ensure(self._catalog.open(record))
        engine, condition = self._catalog.engine, expired(ttl, self._clock.now())
        removed = 0
        while page := (await engine.scroll(key, condition, SWEEP_PAGE)).points:
            removed += await engine.delete(key, [point.id for point in page])
        if removed:
            await self._catalog.database.write(store.changed, record.tenant_id, record.name)
        if ttl is None and not await engine.count(key, Neither((IsAbsent("exp"),))):
            self._nothing[key] = record.generation
        return removed

    async def _drop_deleted(self) -> None:
        before = self._clock.now() - DROP_GRACE
        for record in await self._catalog.database.read(store.deleted_before, before):
            await self._catalog.drop(record.tenant_id, record.name)
            await self._catalog.database.write(store.forget, record.tenant_id, record.name)
            self._log.info("collection.dropped", collection=record.name)
