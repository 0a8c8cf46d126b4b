"""What keeps the registry's tables small: old changes and old revisions go."""

from __future__ import annotations

import asyncio
from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.registry import history, revisions
from quarterdeck.registry.config import RegistrySettings

DAY = 86400.0
# Revisions that one transaction removes.
REVISIONS_AT_ONCE = 500


class Upkeep:
    """See the module. A failure now is no reason to stop clearing for good."""

    def __init__(self, database: Database, settings: RegistrySettings, clock: Clock, log: Any) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._log = log

    async def trim(self) -> None:
        """Forgets old changes, for good."""
        settings = self._settings
        while True:
            await asyncio.sleep(settings.trim_period)
            since = self._clock.now() - settings.history_seconds
            try:
                await self._database.write(history.trim, settings.history_changes, since)
            except QuarterdeckError as error:
                self._log.warning("history.not-trimmed", error=error.message)

    async def collect(self) -> None:
        """Removes old revisions, for good."""
        while self._settings.revision_days:
            await asyncio.sleep(self._settings.collect_period)
            try:
                await self.collect_revisions()
            except QuarterdeckError as error:
                self._log.warning("revisions.not-collected", error=error.message)

    async def collect_revisions(self) -> int:
        """Removes the revisions that have not been in force for long; returns how many."""
        settings = self._settings
        before = self._clock.now() - settings.revision_days * DAY
        removed = 0
        while True:
            page = await self._database.write(
                revisions.collect, before, settings.revision_keep, REVISIONS_AT_ONCE
            )
            removed += page
            if page < REVISIONS_AT_ONCE:
                return removed
