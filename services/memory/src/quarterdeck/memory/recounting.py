"""Keeps the number of items in each collection's status."""

from __future__ import annotations

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.memory import store
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.controller import Controller
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.store import Collection


class Recounter:
    """Counts what was written to since it was last counted; starts no engine for it."""

    def __init__(self, catalog: Catalog, controller: Controller, telemetry: Telemetry) -> None:
        self._catalog = catalog
        self._controller = controller
        self._log = telemetry.log
        # The generation of each collection whose number was written.
        self._counted: dict[CollectionKey, int] = {}

    async def recount(self) -> None:
        """Looks at every collection; one failure stops no other."""
        for record in await self._catalog.database.read(store.live):
            key = CollectionKey(record.tenant_id, record.name)
            if self._counted.get(key) == record.generation or not self._catalog.is_open(key):
                continue
            try:
                await self._recount(key, record)
            except QuarterdeckError as error:
                self._log.warning("recount.failed", collection=record.name, reason=error.message)

    async def _recount(self, key: CollectionKey, record: Collection) -> None:
        points = await self._catalog.engine.count(key)
        if await self._controller.say_points(record.tenant_id, record.name, points):
            self._counted[key] = record.generation
